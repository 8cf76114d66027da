"""The folder of compiled engines: content-addressed entries, complete or absent. It must not run or build engines.

<root>/<key>/                      a published entry: manifest.json, probe.safetensors, the backend's files
<root>/.building/<key>-<random>/   a build under way, or what a killed one left
<root>/.quarantine/<key>/          the last entry of that key that failed, with reason.txt
<root>/.locks/<key>.lock           one builder at a time
"""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid_engines import digests, locks
from hybrid_engines.engine import Facts
from hybrid_engines.spec import EngineError

MANIFEST = "manifest.json"

logger = logging.getLogger(__name__)


class EntryRefused(EngineError):
    """An entry that is not what its name says; it is never used."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A published engine whose files were checked."""

    folder: Path
    facts: Facts
    made: Mapping[str, str]
    """Versions and time of the build; information only."""
    bucket: int | None
    """The only bucket that may be used, where results depend on the batch."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries under one root folder."""

    root: Path

    def read(self, key: str, *, ingredients: Mapping[str, object]) -> Entry | None:
        """The entry of `key`, every byte of it checked; `None` if there is none."""
        folder = self.root / key
        if not folder.is_dir():
            return None
        try:
            manifest = _unseal((folder / MANIFEST).read_bytes())
            if manifest["ingredients"] != ingredients:
                raise EntryRefused(f"Entry `{key}` was made for something else: {_difference(manifest, ingredients)}.")
            for name, digest in manifest["files"].items():
                if digests.file_digest(folder / name, memory=self.root / "digests") != digest:
                    raise EntryRefused(f"`{name}` of entry `{key}` is not the file that was published.")
            return Entry(folder, facts=_read_facts(manifest["facts"]), made=manifest["made"], bucket=manifest["bucket"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EntryRefused(f"Entry `{key}` cannot be read: {error!r}.") from error

    def lock(self, key: str, *, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """The right to build `key`."""
        return locks.exclusive(self.root / ".locks" / f"{key}.lock", on_wait=on_wait)

    @contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """A folder to build in, on the same file system; gone afterwards unless published. Call under the lock."""
        building = self.root / ".building"
        building.mkdir(parents=True, exist_ok=True)
        for abandoned in building.glob(f"{key}-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=building))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, entry: Entry, *, key: str, ingredients: Mapping[str, object]) -> None:
        """Seal what lies in the entry's folder and make it the entry of `key`, in one rename."""
        folder = entry.folder
        manifest = {
            "ingredients": ingredients,
            "files": {path.name: digests.file_digest(path) for path in sorted(folder.iterdir())},
            "facts": asdict(entry.facts),
            "bucket": entry.bucket,
            "made": entry.made,
        }
        (folder / MANIFEST).write_bytes(_seal(manifest))
        folder.chmod(0o755)
        for path in [*folder.iterdir(), folder]:
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
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            (self.root / key).rename(folder)
            (folder / "reason.txt").write_text(reason + "\n")
        except FileNotFoundError:
            logger.info("Another process has quarantined `%s` already.", key)
        except OSError as error:
            logger.warning("Engine `%s` cannot be moved: %s; it stays unused.", key, error)


def _seal(manifest: Mapping[str, object]) -> bytes:
    """The manifest with its own digest, so that a flipped bit in it is seen."""
    plain = json.loads(json.dumps(manifest))  # numbers as keys become strings, which sort differently
    return json.dumps({"digest": digests.value_digest(plain), "manifest": plain}, indent=1).encode()


def _unseal(data: bytes) -> dict[str, Any]:
    document = json.loads(data)
    manifest: dict[str, Any] = document["manifest"]
    if digests.value_digest(manifest) != document["digest"]:
        raise ValueError("the manifest does not match its digest")
    return manifest


def _difference(manifest: Mapping[str, Any], wanted: Mapping[str, object]) -> str:
    found = manifest["ingredients"]
    keys = [key for key in {*found, *wanted} if found.get(key) != wanted.get(key)]
    return ", ".join(f"{key} {found.get(key)!r} instead of {wanted.get(key)!r}" for key in sorted(keys))


def _read_facts(document: Mapping[str, Any]) -> Facts:
    return Facts(
        macs=int(document["macs"]),
        macs_with_attention=int(document["macs_with_attention"]),
        parameters=int(document["parameters"]),
        milliseconds={int(bucket): float(value) for bucket, value in document["milliseconds"].items()},
    )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
