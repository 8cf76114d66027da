"""What a whole cluster needs of this machine, and what is missing: one sentence a reason.

Installs nothing: a test that changes the machine it runs on is a surprise. It says what to call instead.
"""

import os
import shutil
from pathlib import Path

from e2e.cluster import programs
from e2e.cluster.catalogue import NODE

_PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "socat": "socat",
    "busybox": "busybox-static",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
"""Programs, or files, and the Debian packages that bring them."""


class NoClusterError(RuntimeError):
    """This machine cannot run a whole cluster."""


def check() -> None:
    """Raise where something is missing, naming all of it and the ways out."""
    if reasons := [*_missing_rights(), *_missing_packages(), *_missing_programs()]:
        raise NoClusterError(
            f"No cluster can be started here: {'; '.join(reasons)}. Or set USE_EXISTING_CLUSTER=true and KUBECONFIG to "
            "test on a cluster of yours."
        )


def is_required() -> bool:
    """Whether leaving the tier out is a failure."""
    return "CI" in os.environ


def _missing_rights() -> list[str]:
    return [] if os.geteuid() == 0 else ["it needs root, for network namespaces and containers"]


def _missing_packages() -> list[str]:
    missing = {package for found, package in _PACKAGES.items() if not _is_there(found)}
    return [f"call `apt-get install {' '.join(sorted(missing))}`"] if missing else []


def _missing_programs() -> list[str]:
    try:
        for name in NODE if shutil.which("go") is None else ():
            programs.provide(name)
    except programs.ProgramMissingError as error:
        return [str(error).rstrip(".")]
    return []


def _is_there(found: str) -> bool:
    return Path(found).exists() if found.startswith("/") else shutil.which(found) is not None
