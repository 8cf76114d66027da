"""What a kubelet, a container runtime and a pod network leave in folders that they share with others of their kind.

Only what is certainly the cluster's is removed: links into its folders, files that name them, sockets that nobody
serves.
"""

import contextlib
import socket
from pathlib import Path

from e2e.cluster.layout import CONTAINER_LOGS, DEVICE_PLUGINS, POD_NETWORK_CACHE, RUN, SHIM_SOCKETS, STATE


def remove() -> None:
    """Remove it, and the folders that are empty then; the cluster's processes are gone."""
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(STATE):
            link.unlink()
    for cached in POD_NETWORK_CACHE.glob("*"):
        if str(RUN) in cached.read_text(encoding="utf-8"):
            cached.unlink()
    for path in [*SHIM_SOCKETS.glob("*"), DEVICE_PLUGINS / "kubelet.sock"]:
        if path.is_socket() and not _is_served(path):
            path.unlink()
    _remove_if_empty(CONTAINER_LOGS)
    for folder in (POD_NETWORK_CACHE, DEVICE_PLUGINS, SHIM_SOCKETS):
        _remove_if_empty(folder)
        _remove_if_empty(folder.parent)


def _is_served(path: Path) -> bool:
    """Whether somebody listens; sockets with a path are reached from any network namespace."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # absent, not empty, or not ours to remove
        folder.rmdir()
