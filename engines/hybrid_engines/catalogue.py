"""What lies in the cache, for people: entries with what they were made of, and those that were put into quarantine.

It runs and builds nothing, and needs no model: everything is in the entries.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_engines import digests, examination
from hybrid_engines.cache import MANIFEST, Cache, EntryRefused
from hybrid_engines.examination import Examination

KEY_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Listing:
    """One entry as its manifest describes it; its files are not read."""

    key: str
    ingredients: Mapping[str, Any]
    """What the key was computed from."""
    facts: Mapping[str, int]
    made: Mapping[str, str]
    files: Mapping[str, str]
    """Digest by name."""
    size_bytes: int
    examinations: tuple[Examination, ...]

    @property
    def is_verified(self) -> bool:
        """Whether any device has had the right answer from it."""
        return bool(self.examinations)


def keys(store: Cache) -> list[str]:
    """The keys of all entries, good or bad."""
    found = store.root.iterdir() if store.root.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir() and len(path.name) == KEY_LENGTH)


def quarantined(store: Cache) -> Iterator[tuple[str, str]]:
    """Key and reason of each entry in quarantine; what is on its way there has another name."""
    for path in sorted((store.root / ".quarantine").glob(f"{'?' * KEY_LENGTH}/reason.txt")):
        yield path.parent.name, path.read_text().strip()


def describe(store: Cache, key: str) -> Listing:
    """An entry's manifest; raises `EntryRefused` if it is spoiled or not that key's, else as `Cache.reading` does."""
    folder = store.root / key
    with store.reading(key):
        manifest = digests.unseal((folder / MANIFEST).read_bytes())
        found = Listing(
            key=key,
            ingredients=manifest["ingredients"],
            facts=manifest["facts"],
            made=manifest["made"],
            files=manifest["files"],
            size_bytes=_size_bytes(folder),
            examinations=examination.read_all(folder),
        )
    if digests.value_digest(found.ingredients) != key:
        raise EntryRefused(f"Entry `{key}` was renamed; what it was made of belongs to another key.")
    return found


def check(store: Cache, key: str) -> Listing:
    """Read every byte of an entry; a bad one is put into quarantine, then `EntryRefused` is raised."""
    try:
        found = describe(store, key)
        with store.reading(key):
            for name, digest in found.files.items():
                if digests.file_digest(store.root / key / name) != digest:
                    raise EntryRefused(f"`{name}` of entry `{key}` is not the file that was published.")
    except EntryRefused as error:
        store.quarantine(key, reason=str(error))
        raise
    return found


def _size_bytes(folder: Path) -> int:
    """Of all files; what is published must be there, what a device writes may be renamed while it is looked at."""
    published = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return published + sum(map(_size_if_there, (folder / "devices").rglob("*")))


def _size_if_there(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
