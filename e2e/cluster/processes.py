"""Long-running programs of a cluster: started with a log beside their state, waited for, stopped.

Knows nothing of Kubernetes. Where a network namespace is named, the program runs inside it by `nsenter`: `ip netns
exec` would remount /sys and hide the cgroups from the kubelet.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_STARTED: list["subprocess.Popen[bytes]"] = []
"""Programs that outlive their context; a handle that is collected while its program runs is a warning."""


class NotStartedError(RuntimeError):
    """A component did not start."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where programs run."""

    folder: Path
    """Their state and logs."""
    namespace: str | None = None
    """Network namespace; without one they share the machine's."""

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command as it has to be called to run here."""
        entry = ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []
        return [*entry, *command]

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def start(
    name: str, command: Sequence[str], *, place: Place, descriptors: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a program that outlives this one unless it is stopped; it inherits the open files named."""
    with place.log(name).open("ab") as output:
        process = subprocess.Popen(
            place.inside(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
        )
    _STARTED.append(process)
    return process


@contextmanager
def running(name: str, command: Sequence[str], *, place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """A program that lives as long as the context."""
    process = start(name, command, place=place)
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, and insist."""
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _STARTED.remove(process)


def reap() -> None:
    """Take leave of programs that were killed by others."""
    for process in _STARTED:
        process.wait(timeout=_STOP_SECONDS)
    _STARTED.clear()


def call(command: Sequence[str], *, place: Place | None = None, given: str | None = None) -> str:
    """Run a short command to its end and return what it printed; failing is an error that says what it said."""
    full = place.inside(command) if place else list(command)
    ended = subprocess.run(full, input=given, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = ended.stderr.strip()[-2000:]
        raise NotStartedError(f"`{' '.join(command)}` ended with code {ended.returncode}: {said}")
    return ended.stdout


def wait_until(
    holds: Callable[[], bool], *, seconds: float, what: str, process: subprocess.Popen[bytes], log: Path
) -> None:
    """Wait for a program that was started; its ending, or the deadline, is an error with the end of its log."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if holds():
            return
        time.sleep(_POLL_SECONDS)
    found = f"was not ready after {seconds:.0f} s" if process.poll() is None else f"ended with code {process.poll()}"
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise NotStartedError(f"{what} {found}; the end of its log:\n{tail}")
