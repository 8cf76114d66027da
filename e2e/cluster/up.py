"""Starts a whole cluster on this machine: control plane, one node with real pods, names, KubeRay's resources.

The order is what matters here; how each part is configured stands in its own module. Whatever an earlier cluster left
behind goes first. What is started outlives this process: `sweep` ends it.
"""

from pathlib import Path

from e2e.cluster import (
    api_server,
    controllers,
    kernel,
    machine_image,
    machine_mounts,
    names,
    network,
    node,
    processes,
    requirements,
)
from e2e.cluster.cluster import Cluster, start_forwarding
from e2e.cluster.layout import KUBECONFIG, NAME, RUN, STATE
from e2e.cluster.runtime import Runtime
from e2e.cluster.sweep import sweep

_SECONDS = 120.0


def up() -> Cluster:
    """A cluster with a Ready node."""
    requirements.check()
    sweep()
    STATE.mkdir(parents=True)
    kernel.keep(STATE / "kernel.json")
    machine_mounts.prepare()
    network.make(NAME)
    place = processes.Place(STATE, namespace=NAME)
    server = api_server.prepare(place, ports=api_server.Ports(), address=network.NODE)
    cluster = Cluster(_start_control_plane(server), place=place)
    _start_node(server, cluster=cluster)
    return cluster


def _start_control_plane(server: api_server.ApiServer) -> Path:
    place = server.place
    processes.start("etcd", server.etcd_command(), place=place)
    process = processes.start("kube-apiserver", server.command(), place=place)
    _, port = start_forwarding(place, name="forward-api", host=network.NODE, port=server.ports.server)
    access = server.access("admin", url=f"https://localhost:{port}")
    server.wait(access, process=process)
    processes.start("kube-controller-manager", controllers.manager_command(server), place=place)
    processes.start("kube-scheduler", controllers.scheduler_command(server), place=place)
    return access.write(KUBECONFIG)


def _start_node(server: api_server.ApiServer, *, cluster: Cluster) -> None:
    place = server.place
    runtime = Runtime(place, run=RUN, sandbox=machine_image.NAME)
    daemon = processes.start("containerd", runtime.command(), place=place)
    log = place.log("containerd")
    processes.wait_until(runtime.is_ready, seconds=_SECONDS, what="containerd", process=daemon, log=log)
    machine_image.write(STATE / "machine.tar")
    runtime.load(STATE / "machine.tar")
    node.make_cgroup(NAME)
    kubelet = processes.start("kubelet", node.kubelet_command(server, runtime=runtime, cgroup=NAME), place=place)
    processes.start("kube-proxy", node.proxy_command(server), place=place)
    processes.start("coredns", names.command(server), place=place)
    cluster.apply(names.manifests())
    log = place.log("kubelet")
    processes.wait_until(lambda: _is_node_ready(cluster), seconds=_SECONDS, what="The node", process=kubelet, log=log)


def _is_node_ready(cluster: Cluster) -> bool:
    for found in cluster.get("nodes")["items"]:
        conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", [])}
        return conditions.get("Ready") == "True"
    return False
