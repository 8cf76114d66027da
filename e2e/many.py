"""Many resources at once under one operator, for figures: what it uses at rest, how soon it notices.

Pods are KWOK's, KubeRay and the services are played. The operator is a process of its own and its API server is real.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.component.operator import aimed
from tests.component.operator.player import answer_of_a_service
from tests.component.operator.world import World, until

from hybrid_operator import kinds

AT_ONCE = 8
_TICKS = os.sysconf("SC_CLK_TCK")


class _Service(BaseHTTPRequestHandler):
    """Every Service and every pod at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        content = answer_of_a_service(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def services() -> Iterator[int]:
    """A port at which whoever is asked answers well."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class Process:
    """The operator as a process, and what it uses."""

    def __init__(self, world: World, *, folder: Path, port: int) -> None:
        kubeconfig = folder / "operator.kubeconfig"
        kubeconfig.write_text(json.dumps(world.plane.kubeconfig()))
        environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "HYBRID_OPERATOR_NAMESPACE": world.namespace,
            "HYBRID_WATCH_NAMESPACES": world.namespace,
            "HYBRID_IDENTITY": f"measured-{time.monotonic_ns()}",
            "HYBRID_SERVING_IMAGE": "example/serving:1",
            "HYBRID_HEALTH_PORT": "0",
            "HYBRID_METRICS_PORT": "0",
        }
        self._log = (folder / "operator.log").open("a")
        command = [sys.executable, str(aimed.__file__), str(port)]
        self._process = subprocess.Popen(command, env=environment, stderr=self._log)

    def cpu_seconds(self) -> float:
        parts = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / _TICKS

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()


def make(world: World, *, number: int) -> None:
    """That many of the README's resource, named `hd-0` and so on."""
    documents = world.sample()
    for document in documents[1:]:
        world.create(document)
    resources = [{**documents[0], "metadata": {"name": f"hd-{each}"}} for each in range(number)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(world.create, resources))


def wait_for_ready(world: World, *, number: int, seconds: float) -> None:
    """Return when all of them are Ready and nothing is under way."""

    def are_ready() -> bool:
        time.sleep(1)  # each look is at megabytes
        return sum(map(_is_settled, world.all(kinds.HYBRID_DIFFUSION))) == number

    until(are_ready, what="all Ready", seconds=seconds)


def _is_settled(resource: dict[str, object]) -> bool:
    status = resource.get("status") or {}
    assert isinstance(status, dict)
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    return conditions.get("Ready") == "True" and conditions.get("Reconciling") == "False"


def wait_for_rest(world: World) -> None:
    """Return when nothing has been written for ten seconds."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 10:
        if (now := len(writes(world))) != before:
            before, since = now, time.monotonic()
        time.sleep(1)


def writes(world: World) -> list[str]:
    """What the operator has written so far, but for its Lease."""
    return [each for each in world.writes() if "/leases/" not in each]


def seconds_to_reflect(world: World, name: str, *, ttl: str) -> float:
    """How long a change of one resource takes until its status tells of it."""
    started = time.monotonic()
    generation = world.change({"handoff": {"ttl": ttl}}, name=name)["metadata"]["generation"]

    def is_seen() -> bool:
        return bool(world.resource(name)["status"]["observedGeneration"] == generation)

    until(is_seen, what="the change", seconds=120)
    return time.monotonic() - started
