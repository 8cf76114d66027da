"""Takes a cluster away: its processes, pods, mounts, control groups, namespace and folders.

Asks nobody and remembers nothing, so it works as well on what a crash left behind. It touches only what lies in the
cluster's own namespace, control group and folders.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from e2e.cluster import kernel, litter, network, node, processes
from e2e.cluster.layout import NAME, RUN, STATE

_SECONDS = 30.0


def sweep() -> None:
    """Leave the machine as if there had never been a cluster; safe to repeat."""
    _kill()
    _unmount([STATE, RUN])
    kernel.restore(STATE / "kernel.json")
    node.remove_cgroup(NAME)
    if network.is_there(NAME):
        network.remove(NAME)
    litter.remove()
    for folder in (STATE, RUN):
        if folder.exists():
            shutil.rmtree(folder)


def _kill() -> None:
    """Everything that runs in the namespace and in the pods; repeated, for what was just being started."""
    deadline = time.monotonic() + _SECONDS
    while found := _process_ids():
        if time.monotonic() > deadline:
            raise processes.NotStartedError(f"Processes {sorted(found)} of an earlier cluster do not end; reboot.")
        _send(found)
        time.sleep(0.1)


def _process_ids() -> set[int]:
    inside = network.process_ids(NAME) if network.is_there(NAME) else []
    return {*inside, *node.cgroup_process_ids(NAME)}


def _send(process_ids: Iterable[int]) -> None:
    for process_id in process_ids:
        try:
            os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:
            continue
        try:
            os.waitpid(process_id, os.WNOHANG)
        except ChildProcessError:  # not ours: its own parent, or init, will
            continue


def _unmount(folders: Iterable[Path]) -> None:
    """What is mounted below the folders, last first. Removing a folder under a mount would remove what is mounted."""
    for path in reversed(_mounted_below(folders)):
        processes.call(["umount", "--lazy", path])
    if left := _mounted_below(folders):
        raise processes.NotStartedError(f"`{left[0]}` is still mounted; unmount it before anything is removed.")


def _mounted_below(folders: Iterable[Path]) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if any(Path(point).is_relative_to(folder) for folder in folders)]
