"""Stopping ends a whole family of processes, also a stubborn one, and no stranger."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from hybrid_serving.cli import processes

FAMILY = """
import subprocess, sys
{prepare}
child = subprocess.Popen([sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"])
{obey}
"""
OBEYS = "sys.stdin.read(); child.kill(); child.wait()"
IGNORES = "import signal; signal.pause()"

Parent = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def a_parent() -> Iterator[Parent]:
    """Starts a process with a child of its own; both are up when it is returned."""
    made: list[subprocess.Popen[str]] = []

    def start(obey: str, *, prepare: str = "") -> "subprocess.Popen[str]":
        code = FAMILY.format(prepare=prepare, obey=obey)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        made.append(subprocess.Popen([sys.executable, "-c", code], text=True, start_new_session=True, **pipes))
        assert made[-1].stdout is not None
        assert made[-1].stdout.readline() == "up\n"
        return made[-1]

    yield start
    for parent in made:
        parent.kill()
        parent.wait()
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.close()
        parent.stdout.close()


@pytest.mark.parametrize(
    ("obey", "prepare"),
    [
        (OBEYS, ""),
        (IGNORES, ""),
        (IGNORES, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
        ("sys.exit()", ""),
    ],
    ids=["obeys", "ignores the pipe", "ignores signals", "leaves its child behind"],
)
def test_the_whole_family_ends(a_parent: Parent, obey: str, prepare: str) -> None:
    parent = a_parent(obey, prepare=prepare)
    family = psutil.Process(parent.pid).children(recursive=True)
    processes.end(parent, grace_seconds=1.0)
    assert parent.returncode is not None
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_the_children_of_a_parent_that_was_killed_end_too(a_parent: Parent) -> None:
    parent = a_parent(IGNORES)
    family = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    processes.end(parent, grace_seconds=0.0)
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_stranger_is_left_alone(a_parent: Parent) -> None:
    stranger = a_parent(IGNORES)
    processes.end(a_parent(OBEYS), grace_seconds=10.0)
    assert stranger.poll() is None
    processes.end(stranger, grace_seconds=0.0)
