"""Nodes and pods that only exist in the API, by KWOK: hundreds of pods become ready in seconds and run nothing.

For how an operator behaves at scale. What a pod would do, answer or fail at is not shown by it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from kubernetes import client

from e2e.cluster import controllers, processes, programs
from e2e.cluster.control_plane import ControlPlane

_OPTIONS = ("--node-lease-duration-seconds=40", "--cidr=10.0.0.0/16")
"""Leases keep nodes from being taken for dead; there are addresses for more pods than by default."""
_CAPACITY = {"cpu": "1000", "memory": "4Ti", "pods": "5000", "ephemeral-storage": "10Ti"}


@contextmanager
def running(plane: ControlPlane, *, nodes: int) -> Iterator[None]:
    """Give a control plane with controllers a scheduler, and nodes on which every pod becomes ready."""
    place = plane.server.place
    kubeconfig = plane.server.kubeconfig("admin")
    with ExitStack() as stack:
        scheduler = controllers.scheduler_command(plane.server)
        stack.enter_context(processes.running("kube-scheduler", scheduler, place=place))
        command = [str(programs.provide("kwok")), f"--kubeconfig={kubeconfig}", "--manage-all-nodes", *_OPTIONS]
        stack.enter_context(processes.running("kwok", [*command, *_stages()], place=place))
        with plane.client() as connection:
            for number in range(nodes):
                client.CoreV1Api(connection).create_node(_node(f"fake-{number}"))
        yield


def _stages() -> list[str]:
    """What becomes of nodes and pods; without any KWOK ends at once."""
    folder = programs.module_folder("kwok") / "kustomize" / "stage"
    kinds = [folder / "node" / "fast", folder / "pod" / "fast"]
    return [f"--config={path}" for kind in kinds for path in sorted(kind.glob("[np]o*-*.yaml"))]


def _node(name: str) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "type": "kwok"}},
        "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
    }
