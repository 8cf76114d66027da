"""Where a cluster lies on this machine. There is one at a time."""

from pathlib import Path

NAME = "hybrid-e2e"
"""Of the network namespace and the control group."""
POD_NETWORK = NAME
STATE = Path("/var/lib") / NAME
RUN = Path("/run") / NAME
"""Sockets, whose paths must be short."""
KUBECONFIG = STATE / "kubeconfig"
LOCK = Path("/run/lock") / NAME
"""Held by a test session as long as the cluster is its own."""

CONTAINER_LOGS = Path("/var/log/containers")
POD_NETWORK_CACHE = Path("/var/lib/cni/results")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
SHIM_SOCKETS = Path("/run/containerd/s")
"""Folders that a kubelet, a runtime and a pod network write to whatever they are told."""
