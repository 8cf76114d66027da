"""Programs of a cluster: a failure says what the program said, and no handle is lost while its program runs."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

from e2e.cluster import processes

_FOR_EVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_program_that_ends_too_early_is_quoted(tmp_path: Path) -> None:
    place = processes.Place(tmp_path)
    command = [sys.executable, "-c", "raise SystemExit('no such port')"]
    with (
        processes.running("server", command, place=place) as process,
        pytest.raises(processes.NotStartedError, match=r"(?s)The server ended with code 1; .*no such port"),
    ):
        processes.wait_until(lambda: False, seconds=30.0, what="The server", process=process, log=place.log("server"))


def test_a_command_that_fails_is_an_error_with_what_it_said() -> None:
    with pytest.raises(processes.NotStartedError, match="ended with code 3: sorry"):
        processes.call(["sh", "-c", "echo sorry >&2; exit 3"])


def test_a_handle_that_nobody_keeps_is_no_warning_and_can_be_taken_leave_of(tmp_path: Path) -> None:
    process_id = processes.start("daemon", _FOR_EVER, place=processes.Place(tmp_path)).pid
    gc.collect()
    os.kill(process_id, signal.SIGKILL)
    processes.reap()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
