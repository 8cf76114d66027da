"""Ends a child and everything that descends from it, by process id, and nothing else."""

import os
import subprocess
import time

import psutil  # type: ignore[import-untyped]  # has no stubs


def end(child: "subprocess.Popen[str]", *, grace_seconds: float) -> None:
    """Close the child's stdin and wait; after `grace_seconds` end what is left of it and of its family."""
    family = _family(child.pid)
    limit = time.monotonic() + grace_seconds
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        family += _family(child.pid)
        child.kill()
        child.wait()
    _, left = psutil.wait_procs(family, timeout=max(0.0, min(5.0, limit - time.monotonic())))
    for process in left:
        # psutil compares start times, so a process id that was given to somebody else meanwhile is safe.
        process.kill()
    psutil.wait_procs(left, timeout=5.0)
    if child.stdout is not None:
        child.stdout.close()


def _family(pid: int) -> list[psutil.Process]:
    """Descendants, and where the child leads a session its members: a dead parent leaves those behind."""
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        descendants = []
    members = [process for process in psutil.process_iter() if process.pid != pid and _session(process.pid) == pid]
    return [*descendants, *members]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
