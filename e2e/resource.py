"""A HybridDiffusion on a cluster as its user sees it: applied, waited for, looked at, asked for pictures, deleted.

Everything goes through kubectl and the HTTP API; of Ray only what its REST API tells of replicas.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from openai import OpenAI

from e2e.cluster import machine_mounts
from e2e.cluster.cluster import Cluster, Manifest
from e2e.served import SAMPLE, Replica, eventually

KIND = "hybriddiffusion"
PORT = 8000
_GONE_SECONDS = 240.0
"""A worker that still waits for Ray does not hear that it shall end, and takes its whole grace of 180 s."""
Change = Callable[[dict[str, Any]], None]
_ASK_RAY = """
import os, sys, urllib.request
headers = {"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"}
request = urllib.request.Request(f"http://localhost:8265{sys.argv[1]}", headers=headers)
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource by name."""

    cluster: Cluster
    name: str = "shapes"
    namespace: str = "default"

    def apply(self, documents: list[Manifest]) -> float:
        """What a user does with a file; when it was done."""
        text = yaml.safe_dump_all(documents)
        self.cluster.kubectl("apply", f"--namespace={self.namespace}", "--filename=-", given=text)
        return time.monotonic()

    def patch(self, spec: dict[str, Any]) -> float:
        """Change some fields; when it was done."""
        self._kubectl("patch", KIND, self.name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")
        return time.monotonic()

    def wait(self, condition: str, *, seconds: float) -> None:
        """`kubectl wait`; a failure shows what the resource says of itself."""
        try:
            self._kubectl("wait", f"--for=condition={condition}", f"{KIND}/{self.name}", f"--timeout={seconds:.0f}s")
        except RuntimeError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status().get('conditions'), indent=1)}") from error

    def status(self) -> dict[str, Any]:
        return dict(self.cluster.get(KIND, self.name, f"--namespace={self.namespace}").get("status", {}))

    def spec(self) -> dict[str, Any]:
        return dict(self.cluster.get(KIND, self.name, f"--namespace={self.namespace}")["spec"])

    def condition(self, type_: str) -> dict[str, Any]:
        """One condition; empty while it is not there."""
        found = (each for each in self.status().get("conditions", []) if each["type"] == type_)
        return next(found, {})

    def verdicts(self) -> dict[str, str]:
        """The status of every condition."""
        return {each["type"]: each["status"] for each in self.status()["conditions"]}

    def exists(self) -> bool:
        return bool(self.cluster.get(KIND, self._where(), f"--field-selector=metadata.name={self.name}")["items"])

    def pods(self, *, role: str = "") -> list[dict[str, Any]]:
        """Its pods that are not ending."""
        selector = f"hybriddiffusion.io/name={self.name}" + (f",hybriddiffusion.io/role={role}" if role else "")
        found = self.cluster.get("pods", f"--namespace={self.namespace}", f"--selector={selector}")["items"]
        return [each for each in found if not each["metadata"].get("deletionTimestamp")]

    def pod_names(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods()}

    def revision(self) -> str:
        """The revision that serves."""
        return str(self.status()["revisions"]["serving"])

    def replicas(self) -> dict[str, list[Replica]]:
        """Ray Serve's replicas that take requests, by deployment."""
        applications = self.ray("/api/serve/applications/")["applications"]
        deployments = applications[self.name]["deployments"]
        return {
            name: [
                Replica(name, each["replica_id"], each.get("actor_id"), each.get("pid"), each["state"])
                for each in deployment["replicas"]
                if each["state"] == "RUNNING"
            ]
            for name, deployment in deployments.items()
        }

    def ray(self, path: str) -> Any:
        """Ask the dashboard of the serving revision through the head's pod."""
        cluster = self._ray_cluster()
        head = self.cluster.get("pods", f"--selector=ray.io/cluster={cluster},ray.io/node-type=head", self._where())
        pod = head["items"][0]["metadata"]["name"]
        return json.loads(self._kubectl("exec", pod, "--container=ray", "--", "python", "-c", _ASK_RAY, path))

    @contextmanager
    def client(self, *, key: str = "demo-key") -> Iterator[OpenAI]:
        """The official client on the resource's Service; without retries every failure shows."""
        with (
            self.cluster.reach(self.name, namespace=self.namespace, port=PORT) as url,
            OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=180.0) as client,
        ):
            yield client

    def delete(self) -> None:
        """Delete it, and wait until nothing of it is left."""
        self._kubectl("delete", KIND, self.name, "--timeout=60s")
        label = f"--selector=hybriddiffusion.io/name={self.name}"
        kinds = "pods,services,rayservices,rayclusters,controllerrevisions,jobs,poddisruptionbudgets,networkpolicies"
        eventually(
            lambda: not self.cluster.get(kinds, label, self._where())["items"],
            seconds=_GONE_SECONDS,
            what=f"nothing of {self.name} is left",
        )

    def _ray_cluster(self) -> str:
        service = self.cluster.get("rayservice", f"{self.name}-{self.revision()}", self._where())
        return str(service["status"]["activeServiceStatus"]["rayClusterName"])

    def _kubectl(self, verb: str, *arguments: str) -> str:
        return self.cluster.kubectl(verb, self._where(), *arguments)

    def _where(self) -> str:
        return f"--namespace={self.namespace}"


@contextmanager
def ready(cluster: Cluster, change: Change | None = None, *, seconds: float) -> Iterator[Resource]:
    """The README's sample, changed, from Ready until the block ends; then nothing of it is left."""
    shapes = Resource(cluster)
    shapes.apply(sample(cluster, change))
    shapes.wait("Ready", seconds=seconds)
    yield shapes
    shapes.delete()


def sample(cluster: Cluster, change: Change | None = None) -> list[Manifest]:
    """The documents of the README's sample; on a cluster of ours its pods run this machine's programs."""
    documents = [document for document in yaml.safe_load_all(SAMPLE.read_text(encoding="utf-8")) if document]
    spec = next(each for each in documents if each["kind"] == "HybridDiffusion")["spec"]
    if cluster.place is not None:
        _mount_machine(spec)
    if change:
        change(spec)
    return documents


def picture(client: OpenAI, *, model: str, prompt: str = "a red circle", seed: int = 1) -> bytes:
    """One picture."""
    answer = client.images.generate(model=model, prompt=prompt, size="64x64", extra_body={"seed": seed})
    assert answer.data
    return base64.b64decode(answer.data[0].b64_json or "")


def _mount_machine(spec: dict[str, Any]) -> None:
    template = spec.setdefault("kubeRay", {}).setdefault("podTemplate", {}).setdefault("spec", {})
    template["volumes"] = machine_mounts.volumes()
    containers = template.setdefault("containers", [{"name": "ray"}])
    ray = next(each for each in containers if each["name"] == "ray")
    ray |= {"imagePullPolicy": "Never", "volumeMounts": machine_mounts.volume_mounts()}
