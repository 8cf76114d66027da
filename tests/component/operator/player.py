"""Plays KubeRay and the pods that it would make: what the operator observes, without Ray and without nodes."""

import base64
import io
import json
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from tests.component.operator.world import Manifest, World

from hybrid_operator import kinds
from hybrid_operator.probe import Address

BROKEN_IMAGE = "broken"


class Player:
    """A thread that brings every RayService of a namespace to life, or does not, as the test says."""

    def __init__(self, world: World, *, at_once: int = 1, has_nodes: bool = False) -> None:
        self._world = world
        self._at_once = at_once
        self._has_nodes = has_nodes
        self._known: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failing: dict[str, str] = {}
        """By revision: the message with which its application fails."""
        self.is_away = False

    def __enter__(self) -> "Player":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            if not self.is_away:
                self.play()

    def play(self) -> None:
        """One step: every living RayService gets the pods and the status that it should have."""
        living = [each for each in self._world.all(kinds.RAY_SERVICE) if not _is_going(each)]
        if self._at_once > 1:
            living = [each for each in living if self._known.get(_uid(each)) != each["metadata"]["generation"]]
        with ThreadPoolExecutor(self._at_once) as pool:
            list(pool.map(self._try, living))
        if not self._has_nodes:
            self._end_builds()

    def _end_builds(self) -> None:
        """Pods of Jobs succeed; that the Job is done is for its controller to say."""
        for job in self._world.all(kinds.JOB):
            for pod in self._world.all(kinds.POD, **{"batch.kubernetes.io/job-name": job["metadata"]["name"]}):
                if pod["status"]["phase"] == "Pending":
                    succeeded = {"status": {"phase": "Succeeded"}}
                    self._world.patch(kinds.POD, pod["metadata"]["name"], succeeded, subresource="status")

    def _try(self, ray_service: Manifest) -> None:
        with suppress(AssertionError):  # deleted meanwhile
            self._bring_up(ray_service)
            self._known[_uid(ray_service)] = ray_service["metadata"]["generation"]

    def _bring_up(self, ray_service: Manifest) -> None:
        groups = ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        images = {each["template"]["spec"]["containers"][0]["image"] for each in groups}
        for group in groups:
            self._make_pod(ray_service, group)
        if not any(BROKEN_IMAGE in image for image in images):
            self._report(ray_service)

    def _make_pod(self, ray_service: Manifest, group: Manifest) -> None:
        name = f"{ray_service['metadata']['name']}-{group['groupName']}"
        if self._world.find(kinds.POD, name):
            return
        template = group["template"]
        container = template["spec"]["containers"][0]
        owner = {"apiVersion": "ray.io/v1", "kind": "RayService", "name": ray_service["metadata"]["name"]}
        metadata = {
            "name": name,
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{**owner, "uid": ray_service["metadata"]["uid"], "controller": True}],
        }
        spec = {"containers": [{"name": "ray", "image": container["image"]}], "terminationGracePeriodSeconds": 0}
        self._world.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        if not self._has_nodes:
            self._world.patch(kinds.POD, name, {"status": _pod_status(container["image"])}, subresource="status")

    def _report(self, ray_service: Manifest) -> None:
        metadata = ray_service["metadata"]
        failure = self.failing.get(metadata["labels"]["hybriddiffusion.io/revision"])
        application = {"status": "DEPLOY_FAILED", "message": failure} if failure else {"status": "RUNNING"}
        status = {
            "observedGeneration": metadata["generation"],
            "numServeEndpoints": 0 if failure else 1,
            "activeServiceStatus": {"rayClusterName": "cluster", "applicationStatuses": {"shapes": application}},
        }
        known = ray_service.get("status") or {}
        if {key: known.get(key) for key in status} != status:
            self._world.patch(kinds.RAY_SERVICE, metadata["name"], {"status": status}, subresource="status")


class FakeIngress:
    """Answers what the operator asks pods and Services, as the test says."""

    def __init__(self) -> None:
        self.is_up = True
        self.draws = True
        self.in_flight: int | None = 0
        self.pictures: list[str] = []
        """Pods that were asked for a picture."""

    async def ask(
        self, address: Address, *, port: int, method: str, path: str, body: Any, key: str | None, timeout_seconds: float
    ) -> tuple[int, bytes]:
        if path == "/metrics":
            return (200, answer_of_a_service(path, self.in_flight)) if self.in_flight is not None else (404, b"")
        if path == "/healthz":
            return (200, answer_of_a_service(path)) if self.is_up else (503, b"no backend")
        self.pictures.append(address.resource)
        if not self.draws:
            return 500, b'{"error":{"message":"the engine is broken"}}'
        return 200, answer_of_a_service(path)


def answer_of_a_service(path: str, in_flight: int = 0) -> bytes:
    """What a service that is well answers."""
    if path == "/metrics":
        return f'haproxy_backend_current_sessions{{proxy="http-shapes"}} {in_flight}\n'.encode()
    if path == "/healthz":
        return b'{"status":"ok"}'
    cost = {
        "nanoseconds": {"large": 34_000_000, "small": 26_000_000},
        "rows": {"large": {"encode": 2, "step": 4}, "small": {"step": 4, "decode": 1}},
        "all_cloud_inputs": {"encode_nanoseconds": 2_000_000, "decode_nanoseconds": 10_000_000},
    }
    picture = base64.b64encode(a_picture()).decode()
    return json.dumps({"data": [{"b64_json": picture}], "hybrid": {"cost": cost}}).encode()


def a_picture(*, width: int = 4, height: int = 4) -> bytes:
    """A small black PNG."""
    stream = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    stream.seek(0, io.SEEK_END)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\0\0\0" * width) * height)
    for name, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")):
        stream.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return stream.getvalue()


def _is_going(manifest: Manifest) -> bool:
    return bool(manifest["metadata"].get("deletionTimestamp"))


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])


def _pod_status(image: str) -> Manifest:
    if BROKEN_IMAGE in image:
        waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
        container = {"name": "ray", "image": image, "imageID": "", "ready": False, "restartCount": 0}
        return {"phase": "Pending", "containerStatuses": [{**container, "state": {"waiting": waiting}}]}
    return {"phase": "Running", "podIP": "192.0.2.1", "conditions": [{"type": "Ready", "status": "True"}]}
