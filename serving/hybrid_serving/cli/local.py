"""Ray on this machine, as a child process: start, wait, stop, and nothing of anybody else's.

Everything it starts is a descendant of one child; stopping means letting go of that child's pipe and, for what is left
after that, ending exactly those process ids. It never calls `ray stop`, which ends every Ray on the machine.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from hybrid_serving.cli import processes, ray_environment
from hybrid_serving.cli.failures import Failure

_STOP_SECONDS = 20.0


class LocalRay:
    """One head process and its session folder; use as a context manager."""

    def __init__(self, *, mounts: Path, with_haproxy: bool = True) -> None:
        self._mounts = mounts
        self._with_haproxy = with_haproxy
        # Short, because Ray and HAProxy put sockets deep below it, and their names may have 97 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="hybrid-", dir="/tmp"))
        self.dashboard_port = ray_environment.free_port()
        self.token_path = ray_environment.write_token(self.folder)
        self._child: subprocess.Popen[str] | None = None

    @property
    def dashboard_url(self) -> str:
        """Where the REST API is."""
        return f"http://{ray_environment.LOOPBACK}:{self.dashboard_port}"

    @property
    def log(self) -> Path:
        """What the head process wrote to stderr."""
        return self.folder / "head.log"

    def start(self) -> None:
        """Start the head process; returns at once, `wait` says when it is up."""
        command = [
            *(sys.executable, "-m", "hybrid_serving.cli.head"),
            *("--session-folder", str(self.folder)),
            *("--dashboard-port", str(self.dashboard_port)),
        ]
        environment = ray_environment.environment(
            os.environ,
            session_folder=self.folder,
            token=self.token_path,
            mounts=self._mounts,
            with_haproxy=self._with_haproxy,
        )
        with self.log.open("w") as log:
            # A session of its own, so that Ctrl-C in the terminal reaches us alone and we stop Ray in order.
            self._child = subprocess.Popen(  # noqa: S603  # our own module, our own arguments
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def wait(self, *, timeout_seconds: float = 180.0) -> None:
        """Return when Ray is up."""
        child = self._running()
        answer = _first_line(child.stdout, timeout_seconds=timeout_seconds)
        if answer is None:
            raise Failure(f"Ray was not up after {timeout_seconds:.0f} s.")
        if answer["event"] != ray_environment.READY:
            raise Failure(f"Ray did not start: {answer['message']}.")

    def check(self) -> None:
        """Raise when the head process has died."""
        child = self._running()
        if (code := child.poll()) is not None:
            raise Failure(f"The Ray head ended by itself with exit code {code}.")

    def stop(self) -> None:
        """End every process that this object started; harmless when there is none."""
        child, self._child = self._child, None
        if child is not None:
            processes.end(child, grace_seconds=_STOP_SECONDS)

    def __enter__(self) -> "LocalRay":
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Stop; logs are kept and named where something failed."""
        self.stop()
        if isinstance(error, Failure):
            raise Failure(f"{error} Ray's logs are in {self.folder}.") from error
        if not isinstance(error, Exception):
            self.discard()

    def discard(self) -> None:
        """Remove the session folder with its logs."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None:
            raise Failure("Ray was not started; this is a mistake in the program.")
        return self._child


def _first_line(stream: IO[str] | None, *, timeout_seconds: float) -> dict[str, str] | None:
    """The first JSON line of a pipe; `None` when it takes too long."""
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.append(stream.readline() if stream else ""), daemon=True)
    reader.start()
    reader.join(timeout_seconds)
    if not lines:
        return None
    return (
        dict(json.loads(lines[0]))
        if lines[0]
        else {"event": ray_environment.ERROR, "message": "it ended without a word"}
    )
