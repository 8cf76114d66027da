"""A mounted folder of secrets, read again when it changes.

Kubernetes swaps such folders while the service runs; nothing read here may be cached for ever, logged or put elsewhere.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 1.0

_Fingerprint = tuple[tuple[str, int, int, int], ...]


class MountedFolder:
    """The files of one folder as they are now, at most a second ago."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_at = float("-inf")
        self._fingerprint: _Fingerprint = ()
        self._files: Mapping[str, bytes] = {}
        self.version = 0
        """Grows with every change, so that what is derived from the files can be kept until then."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no file at all; a file that cannot be read is one."""
        self._refresh()
        return not self._fingerprint

    def files(self) -> Mapping[str, bytes]:
        """Content by name, of files that are readable."""
        self._refresh()
        return self._files

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._looked_at < _LOOK_AGAIN_SECONDS:
            return
        self._looked_at = now
        fingerprint = _fingerprint(self._path)
        if fingerprint is not None and fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            self._files = {name: content for name, *_ in fingerprint if (content := _content(self._path / name))}
            self.version += 1
            logger.info("Read %d secrets from %s.", len(self._files), self._path.name)


def _fingerprint(folder: Path) -> _Fingerprint | None:
    """What tells one state of the folder from another; `None` while it is being swapped.

    Dot files are Kubernetes' own bookkeeping. A folder that cannot be listed is an unreadable file, not an empty one.
    """
    if not folder.is_dir():
        return ()
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
        stats = [(path.name, path.stat()) for path in files]
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("Cannot list the secrets in %s: %s.", folder.name, error.strerror)
        return (("", 0, 0, 0),)
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes().strip() or None
    except OSError as error:
        logger.warning("Cannot read the secret %s: %s.", path.name, error.strerror)
        return None
