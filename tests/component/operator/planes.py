"""Control planes and what is installed on them: the definitions, namespaces, and how the operator reaches them."""

import itertools
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import kopf
import yaml
from tests.component.operator.world import World, until

from e2e.cluster import api_server, processes, programs
from e2e.cluster.control_plane import ControlPlane
from hybrid_operator.connection import Connection

_ROOT = Path(__file__).parents[3]
_EXISTS = 409
_numbers = itertools.count()


def install_ours(plane: ControlPlane) -> None:
    """The resource's definition."""
    install(plane, _read(_ROOT / "crds" / "hybriddiffusion.io_hybriddiffusions.yaml"))


def install_kuberay(plane: ControlPlane) -> None:
    """KubeRay's definitions, without its operator."""
    bases = programs.module_folder("kuberay") / "config" / "crd" / "bases"
    for name in ("ray.io_rayservices.yaml", "ray.io_rayclusters.yaml"):
        install(plane, _read(bases / name))


def _read(path: Path) -> dict[str, Any]:
    """One document; by the parser in C, since a definition is megabytes."""
    definition: dict[str, Any] = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return definition


def install(plane: ControlPlane, definition: dict[str, Any]) -> None:
    """Install a definition, if nobody has, and wait until its kind is served."""
    with _http(plane) as http:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        answer = http.post(path, json=definition)
        assert answer.is_success or answer.status_code == _EXISTS, answer.text[:600]
        name, group = definition["metadata"]["name"], definition["spec"]["group"]
        version, plural = definition["spec"]["versions"][0]["name"], definition["spec"]["names"]["plural"]
        until(lambda: http.get(f"/apis/{group}/{version}/{plural}").is_success, what=name)


def _http(plane: ControlPlane) -> httpx.Client:
    headers = {"Authorization": f"Bearer {plane.token}"}
    return httpx.Client(
        base_url=plane.url, headers=headers, verify=ssl.create_default_context(cafile=plane.certificate), timeout=60
    )


def a_world(plane: ControlPlane) -> World:
    """A namespace on whichever API server."""
    world = World(plane, namespace=f"test-{next(_numbers)}")
    world.request("POST", "/api/v1/namespaces", json={"metadata": {"name": world.namespace}})
    return world


def connected(plane: ControlPlane) -> Connection:
    """As the operator reaches an API server."""
    return Connection(kopf.ConnectionInfo(server=plane.url, token=plane.token, ca_path=str(plane.certificate)))


@contextmanager
def restartable_plane(folder: Path) -> Iterator[tuple[ControlPlane, Callable[[], None]]]:
    """etcd and an API server, the second of which can be killed and started again."""
    place = processes.Place(folder)
    store, peer, port = _free_ports(3)
    ports = api_server.Ports(store=store, peer=peer, server=port)
    server = api_server.prepare(place, ports=ports, runs_controllers=False)
    with processes.running("etcd", server.etcd_command(), place=place):
        running = [_started(server, place)]

        def restart() -> None:
            running[0].kill()
            processes.stop(running.pop())
            running.append(_started(server, place))

        try:
            yield ControlPlane(server=server, access=server.access("admin")), restart
        finally:
            processes.stop(running.pop())


def _started(server: api_server.ApiServer, place: processes.Place) -> Any:
    process = processes.start("kube-apiserver", server.command(), place=place)
    server.wait(server.access("admin"), process=process)
    return process


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]
