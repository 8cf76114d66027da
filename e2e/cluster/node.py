"""The one node: a kubelet that owns a control group of its own, and kube-proxy in the cluster's namespace.

Their configuration only. What is written here bends a kubelet to machines that people have: full disks, hybrid cgroups,
no swap accounting, no systemd; it says nothing about how a node should be run.
"""

import errno
import json
import os
from pathlib import Path

from e2e.cluster import network, programs
from e2e.cluster.api_server import ApiServer
from e2e.cluster.runtime import Runtime

NAME = "e2e"
DNS = "10.96.0.10"
CGROUPS = Path("/sys/fs/cgroup")
_ENDED = {errno.ENOENT, errno.ENODEV}
"""What the kernel says of a group that was removed, before its file is opened and after."""


def kubelet_command(server: ApiServer, *, runtime: Runtime, cgroup: str) -> list[str]:
    """The kubelet's command, once its files are written; all its pods lie below `cgroup`."""
    place = server.place
    configuration = place.folder / "kubelet.json"
    configuration.write_text(json.dumps(_kubelet(place.folder, runtime=runtime, cgroup=cgroup)), encoding="utf-8")
    return [
        str(programs.provide("kubelet")),
        f"--config={configuration}",
        f"--kubeconfig={server.kubeconfig('kubelet')}",
        f"--root-dir={place.folder / 'kubelet'}",
        f"--cert-dir={place.folder / 'kubelet-certificates'}",
        f"--hostname-override={NAME}",
        f"--node-ip={network.NODE}",
    ]


def proxy_command(server: ApiServer) -> list[str]:
    """kube-proxy's command, once its file is written."""
    configuration = server.place.folder / "kube-proxy.json"
    configuration.write_text(json.dumps(_proxy(server.kubeconfig("kube-proxy"))), encoding="utf-8")
    return [str(programs.provide("kube-proxy")), f"--config={configuration}"]


def make_cgroup(name: str) -> None:
    """The control group in every hierarchy (in the one hierarchy, on newer machines)."""
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def cgroup_process_ids(name: str) -> set[int]:
    """Every process in the pods below the control group."""
    folders = (folder for hierarchy in _hierarchies() for folder in _below(hierarchy / name))
    return {process_id for folder in folders for process_id in _process_ids(folder / "cgroup.procs")}


def remove_cgroup(name: str) -> None:
    """The control group, from its leaves upwards; its processes are gone."""
    for hierarchy in _hierarchies():
        for folder in reversed(_below(hierarchy / name)):
            folder.rmdir()


def _below(folder: Path) -> list[Path]:
    """The folder, if it is there, and all below it, parents first; what goes meanwhile is left out."""
    return [Path(found) for found, *_ in os.walk(folder)]


def _process_ids(file: Path) -> list[int]:
    """Of one group; one that ends while it is read has none, for only an empty group can be removed."""
    try:
        return [int(line) for line in file.read_text().split()]
    except OSError as error:
        if error.errno not in _ENDED:
            raise
        return []


def _hierarchies() -> list[Path]:
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [each for each in CGROUPS.iterdir() if each.is_dir() and not each.is_symlink()]


def _kubelet(folder: Path, *, runtime: Runtime, cgroup: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{runtime.socket}",
        # Only this namespace can reach it, and nothing in it is worth a certificate.
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%", "memory.available": "50Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "staticPodPath": "",
        "serializeImagePulls": False,
    }


def _proxy(kubeconfig: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": network.PODS,
        "hostnameOverride": NAME,
        # A pod that reaches another by its Service must hear from the Service; bridged frames may pass iptables by.
        "iptables": {"masqueradeAll": True, "minSyncPeriod": "0s"},
        # It may not write these settings of the kernel.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
