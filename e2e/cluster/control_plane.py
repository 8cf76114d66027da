"""The cheapest Kubernetes: etcd and an API server on loopback, for tests that need no pods.

It judges manifests, schemas, CEL and defaults as a real cluster does. With `controllers` it also collects garbage and
keeps EndpointSlices; it never runs a pod. Ready in seconds; everything lives in the folder given and ends with the
context.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client

from e2e.cluster import api_server, controllers, processes
from e2e.cluster.access import Access


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server and how to reach it."""

    server: api_server.ApiServer
    access: Access
    """As a user in `system:masters`."""

    @property
    def audit_log(self) -> Path:
        """Every request that was answered, one JSON object a line."""
        return self.server.audit_log

    @property
    def url(self) -> str:
        return self.access.url

    @property
    def token(self) -> str:
        return self.access.token

    @property
    def certificate(self) -> Path:
        return self.access.certificate

    def client(self) -> client.ApiClient:
        """A client with every right."""
        return self.access.client()

    def kubeconfig(self) -> dict[str, Any]:
        """The same for tools that read a kubeconfig."""
        return self.access.kubeconfig()


@contextmanager
def control_plane(folder: Path, *, with_controllers: bool = False) -> Iterator[ControlPlane]:
    """Start etcd and an API server with their state in `folder`; stop both at the end."""
    place = processes.Place(folder)
    store, peer, port = _free_ports(3)
    ports = api_server.Ports(store=store, peer=peer, server=port)
    server = api_server.prepare(place, ports=ports, runs_controllers=with_controllers)
    with ExitStack() as running:
        running.enter_context(processes.running("etcd", server.etcd_command(), place=place))
        process = running.enter_context(processes.running("kube-apiserver", server.command(), place=place))
        access = server.access("admin")
        server.wait(access, process=process)
        if with_controllers:
            command = controllers.manager_command(server)
            running.enter_context(processes.running("kube-controller-manager", command, place=place))
        yield ControlPlane(server=server, access=access)


def _free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]
