"""The network namespace that a whole cluster lives in: nothing leaks to the machine's own network, or from it.

A bridge for the pods and a route for the Service range, so that processes in the namespace itself reach ClusterIPs.
There is no way out of it.
"""

from pathlib import Path

from e2e.cluster import processes
from e2e.cluster.api_server import SERVICES

NODE = "10.88.0.1"
PODS = "10.88.0.0/16"
BRIDGE = "cni0"


def is_there(name: str) -> bool:
    """Whether the namespace exists."""
    return Path(f"/run/netns/{name}").exists()


def make(name: str) -> None:
    """The namespace with loopback, bridge and routes."""
    inside = ["ip", "-n", name]
    for command in (
        ["ip", "netns", "add", name],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "link", "add", BRIDGE, "type", "bridge"],
        [*inside, "addr", "add", f"{NODE}/16", "dev", BRIDGE],
        [*inside, "link", "set", BRIDGE, "up"],
        [*inside, "route", "add", SERVICES, "dev", BRIDGE],
        ["nsenter", f"--net=/run/netns/{name}", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"],
    ):
        processes.call(command)


def process_ids(name: str) -> list[int]:
    """Every process in the namespace; processes of pods are in namespaces of their own."""
    return [int(line) for line in processes.call(["ip", "netns", "pids", name]).split()]


def remove(name: str) -> None:
    """The namespace, its bridge and its rules."""
    processes.call(["ip", "netns", "delete", name])
