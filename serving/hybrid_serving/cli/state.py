"""The folder that a local server keeps between runs, and the record by which a second `hybrid serve` finds it.

Files only. A lock, held by the serving process, tells a live record from one that was left behind.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.serve_api import ServeApi

STATE_VARIABLE = "HYBRID_STATE_PATH"


def default_folder() -> Path:
    """Where this user's servers and devices keep their state."""
    if chosen := os.environ.get(STATE_VARIABLE):
        return Path(chosen)
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "hybrid-diffusion"


def serve_folder(chosen: Path | None) -> Path:
    """Where `hybrid serve` keeps its state, unless a folder was chosen."""
    return (chosen or default_folder() / "serve").expanduser().resolve()


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running server is."""

    name: str
    """Name of the resource it serves."""
    host: str
    """Where its HTTP API listens."""
    port: int
    dashboard_url: str
    token_path: str

    @property
    def url(self) -> str:
        """Its HTTP API, as reached from this machine."""
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"  # noqa: S104

    def serve_api(self) -> ServeApi:
        """Ray Serve's REST API of this server."""
        return ServeApi(self.dashboard_url, token=Path(self.token_path).read_text())


class StateFolder:
    """One server's folder: mounted files, the record of the running server, the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def mounts(self) -> Path:
        """What takes the place of mounted Secrets on one machine."""
        return self.path / "mounts"

    @property
    def ledger(self) -> Path:
        """The history of what was served from here, and what it cost."""
        return self.path / "ledger" / "ledger.sqlite"

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock while serving; `False` where another process holds it."""
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            self._record.unlink(missing_ok=True)
            try:
                yield True
            finally:
                self._record.unlink(missing_ok=True)

    def write(self, running: Running) -> None:
        """Say where this server is."""
        draft = self._record.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(running)))
        draft.replace(self._record)

    def read(self) -> Running:
        """Where the server that holds the lock is."""
        try:
            return Running(**json.loads(self._record.read_text()))
        except FileNotFoundError as error:
            message = f"A server that keeps its state in {self.path} is still starting; try again when it serves."
            raise Failure(message) from error

    @property
    def _record(self) -> Path:
        return self.path / "running.json"
