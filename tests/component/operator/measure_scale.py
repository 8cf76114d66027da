"""Measures one operator with many steady resources: `python -m tests.component.operator.measure_scale`.

Prints processor time, memory, writes, how soon a change is seen and how soon a new process has seen all. Pods and
KubeRay are played; the operator is a process of its own, its API server a real one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.component.operator.planes import a_world, install_kuberay, install_ours
from tests.component.operator.player import Player, answer_of_a_service
from tests.component.operator.world import World, until

from e2e.cluster.control_plane import control_plane
from hybrid_operator import kinds

_TICKS = os.sysconf("SC_CLK_TCK")
_AT_ONCE = 8


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


class Measured:
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
        program = Path(__file__).with_name("aimed.py")
        self.process = subprocess.Popen([sys.executable, program, str(port)], env=environment, stderr=self._log)

    def cpu_seconds(self) -> float:
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / _TICKS

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        self._log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder)) as plane, _services() as port:
        install_ours(plane)
        install_kuberay(plane)
        world = a_world(plane)
        operator = Measured(world, folder=Path(folder), port=port)
        started = time.monotonic()
        with Player(world, at_once=_AT_ONCE):
            _make(world, number=arguments.resources)
            until(lambda: _all_ready(world, arguments.resources), what="all Ready", seconds=900)
        _say(f"{arguments.resources} resources Ready after {time.monotonic() - started:.0f} s")
        time.sleep(30)
        _measure(world, operator, seconds=arguments.seconds)
        _reflect(world)
        operator.stop()
        _restart(world, folder=Path(folder), port=port, number=arguments.resources)
        world.close()


@contextmanager
def _services() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def _make(world: World, *, number: int) -> None:
    documents = world.sample()
    for document in documents[1:]:
        world.create(document)
    names = [{**documents[0], "metadata": {"name": f"hd-{each}"}} for each in range(number)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(world.create, names))


def _all_ready(world: World, number: int) -> bool:
    ready = 0
    for each in world.all(kinds.HYBRID_DIFFUSION):
        conditions = {one["type"]: one["status"] for one in (each.get("status") or {}).get("conditions", [])}
        ready += conditions.get("Ready") == "True" and conditions.get("Reconciling") == "False"
    time.sleep(2)
    return ready == number


def _measure(world: World, operator: Measured, *, seconds: float) -> None:
    cpu, writes, most = operator.cpu_seconds(), len(world.writes()), 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, operator.memory_mib())
        time.sleep(1)
    used = (operator.cpu_seconds() - cpu) / seconds
    new = [write for write in world.writes()[writes:] if "/leases/" not in write]
    _say(f"steady for {seconds:.0f} s: {used:.3f} cores, at most {most:.0f} MiB, {len(new)} writes but the Lease's")
    for write in new[:10]:
        _say(f"  {write}")


def _reflect(world: World) -> None:
    slowest = 0.0
    for number in range(10):
        started = time.monotonic()
        generation = world.change({"handoff": {"ttl": "4m"}}, name=f"hd-{number}")["metadata"]["generation"]
        until(
            lambda number=number, generation=generation: (
                world.resource(f"hd-{number}")["status"]["observedGeneration"] == generation
            ),
            what="the change",
        )
        slowest = max(slowest, time.monotonic() - started)
    _say(f"a change of one is reflected after {slowest:.2f} s at most (10 changes)")


def _restart(world: World, *, folder: Path, port: int, number: int) -> None:
    """A new process has read everything once it sees a change of the resource that it lists last."""
    before = len(world.writes())
    started = time.monotonic()
    operator = Measured(world, folder=folder, port=port)
    world.change({"handoff": {"ttl": "3m"}}, name=f"hd-{number - 1}")
    generation = world.resource(f"hd-{number - 1}")["metadata"]["generation"]
    until(
        lambda: world.resource(f"hd-{number - 1}")["status"]["observedGeneration"] == generation,
        what="the change",
        seconds=120,
    )
    _say(f"after a restart the first change is reflected after {time.monotonic() - started:.1f} s")
    cpu = -1.0
    while operator.cpu_seconds() - cpu > 0.3:
        cpu = operator.cpu_seconds()
        time.sleep(1)
    new = [write for write in world.writes()[before:] if "/leases/" not in write]
    _say(f"it is at rest after {time.monotonic() - started:.0f} s and {cpu:.1f} s of processor time, {len(new)} writes")
    operator.stop()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
