"""The folder of compiled engines: content-addressed entries, complete or absent. It must not run or build engines.

<root>/<key>/                      a published entry: manifest.json, probe.safetensors, the backend's files
<root>/<key>/devices/<digest>/     what one device found out about it; not in the manifest
<root>/.building/<key>-<machine>-<random>/   a build under way, or what a killed one left
<root>/.quarantine/<key>/          the last entry of that key that failed, with reason.txt
<root>/.quarantine/<key>-<random>/ one on its way there, or what a killed process left
<root>/.locks/<key>.lock           one builder at a time
"""

import errno
import logging
import os
import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_engines import digests, locks
from hybrid_engines.engine import Facts
from hybrid_engines.spec import EngineError

MANIFEST = "manifest.json"
FULL = {errno.ENOSPC, errno.EDQUOT}
ABANDONED_SECONDS = 3600.0
"""A folder of another machine in which nothing was written for this long belonged to a process that died."""
_INCOMPLETE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What an entry itself is to blame for, of all that may happen when a file is opened."""
COUNTS = ("macs", "macs_with_attention", "parameters")

logger = logging.getLogger(__name__)


class EntryRefused(EngineError):
    """An entry that is not what its name says; it is never used."""


class CacheUnusable(EngineError):
    """The cache's file system does not serve this process now, which says nothing about any entry."""


class CacheUnwritable(CacheUnusable):
    """The cache's folder cannot take an engine: its disk is full, or it must not be written."""


class CacheUnreadable(CacheUnusable):
    """An entry that is there cannot be read by this process."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A published engine whose files were checked."""

    folder: Path
    facts: Facts
    """Counted at the build; what was measured belongs to a device and lies in its examination."""
    made: Mapping[str, str]
    """Names, versions and time of the build; information only."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries under one root folder."""

    root: Path

    def read(self, key: str, *, ingredients: Mapping[str, object]) -> Entry | None:
        """The entry of `key`, its files checked against their digests; `None` if there is none.

        Raises `EntryRefused` for an entry that is spoiled, `CacheUnreadable` where the file system refuses or fails.
        What is large is not read twice: `digests` remembers it until something writes to the file.
        """
        folder = self.root / key
        with self.reading(key):
            if not folder.is_dir():
                return None
            manifest = digests.unseal((folder / MANIFEST).read_bytes())
            if manifest["ingredients"] != ingredients:
                raise EntryRefused(f"Entry `{key}` was made for something else: {_difference(manifest, ingredients)}.")
            for name, digest in manifest["files"].items():
                if digests.file_digest(folder / name, memory=self.root / "digests") != digest:
                    raise EntryRefused(f"`{name}` of entry `{key}` is not the file that was published.")
            return Entry(folder, facts=_read_facts(manifest["facts"]), made=manifest["made"])

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        """Tell what an entry is to blame for, `EntryRefused`, from what its file system is, `CacheUnreadable`."""
        try:
            yield
        except (*_INCOMPLETE, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EntryRefused(f"Entry `{key}` cannot be read: {error!r}.") from error
        except OSError as error:
            raise CacheUnreadable(
                f"Entry `{key}` of the engine cache `{self.root}` cannot be read ({error.strerror}); "
                f"look at the volume, and at whether this user may read it."
            ) from error

    @contextmanager
    def lock(self, key: str, *, on_wait: Callable[[], None]) -> Iterator[None]:
        """The right to build `key`; what killed processes left of it is gone."""
        with ExitStack() as held:
            with explained(self.root):
                lock = locks.exclusive(self.root / ".locks" / f"{key}.lock", on_wait=on_wait)
                self._remove_abandoned(key, is_alone_here=held.enter_context(lock))
            yield

    @contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """A folder to build in, on the same file system; gone afterwards unless published. Call under the lock."""
        building = self.root / ".building"
        with explained(self.root):
            building.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{_building(key)}-", dir=building))
        try:
            yield folder
        except OSError as error:
            if error.errno in FULL:
                raise _full(self.root) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, entry: Entry, *, key: str, ingredients: Mapping[str, object]) -> None:
        """Seal what lies in the entry's folder and make it the entry of `key`, in one rename."""
        folder = entry.folder
        manifest = {
            "ingredients": ingredients,
            "files": {path.name: digests.file_digest(path) for path in sorted(folder.iterdir()) if path.is_file()},
            "facts": {name: getattr(entry.facts, name) for name in COUNTS},
            "made": entry.made,
        }
        (folder / MANIFEST).write_bytes(digests.seal(manifest))
        folder.chmod(0o755)
        for path in [*folder.rglob("*"), folder]:
            _flush(path)
        try:
            folder.rename(self.root / key)
        except OSError:
            if not (self.root / key).is_dir():
                raise
            logger.info("Another builder has published `%s` first.", key)
        _flush(self.root)

    def quarantine(self, key: str, *, reason: str) -> None:
        """Move a bad entry out of the way and say why; only the last one of a key is kept."""
        logger.warning("Engine `%s` is quarantined: %s", key, reason)
        folder = self.root / ".quarantine" / key
        aside = folder.with_name(f"{key}-{uuid.uuid4().hex}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            # First, so that of two processes one has it, and the other touches nothing of what the first found.
            (self.root / key).rename(aside)
            (aside / "reason.txt").write_text(reason + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
        except FileNotFoundError:
            logger.info("Another process has quarantined `%s` already.", key)
        except OSError as error:
            logger.warning("Engine `%s` cannot be moved: %s; it stays unused.", key, error)

    def _remove_abandoned(self, key: str, *, is_alone_here: bool) -> None:
        """Where locks do not reach every machine, the builder of a folder may live."""
        for kind in (".building", ".quarantine"):
            for folder in (self.root / kind).glob(f"{key}-*"):
                is_dead = is_alone_here and folder.name.rpartition("-")[0] == _building(key)
                if is_dead or time.time() - _touched(folder) > ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn what a file system says about writing to `root` into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise _full(root) from error
        raise CacheUnwritable(
            f"The engine cache `{root}` cannot be written ({error.strerror}); "
            f"make it writable or name another folder with `HYBRID_ENGINE_CACHE`."
        ) from error


def _full(root: Path) -> CacheUnwritable:
    free = shutil.disk_usage(root).free / 2**20
    return CacheUnwritable(
        f"The disk of the engine cache `{root}` is full ({free:.0f} MiB left); "
        f"free some space or name another folder with `HYBRID_ENGINE_CACHE`."
    )


def _building(key: str) -> str:
    """What the names of this machine's builds of `key` begin with; no random part has a hyphen."""
    return f"{key}-{platform.node()}"


def _touched(folder: Path) -> float:
    """When anything in the folder was last written, 0 if it is gone."""
    times = [0.0]
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def _difference(manifest: Mapping[str, Any], wanted: Mapping[str, object]) -> str:
    found = manifest["ingredients"]
    keys = [key for key in {*found, *wanted} if found.get(key) != wanted.get(key)]
    return ", ".join(f"{key} {found.get(key)!r} instead of {wanted.get(key)!r}" for key in sorted(keys))


def _read_facts(document: Mapping[str, Any]) -> Facts:
    macs, with_attention, parameters = (int(document[name]) for name in COUNTS)
    return Facts(macs=macs, macs_with_attention=with_attention, parameters=parameters)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
