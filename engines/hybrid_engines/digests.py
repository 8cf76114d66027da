"""SHA-256 of files and values, such that a start does not read gigabytes twice. It must not know what the files mean.

Digests of large files are remembered beside the engine cache under the file's identity (path, device, inode, size, both
times to the nanosecond); writing to a file changes its identity.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

LARGE_BYTES = 64 * 2**20
"""Files below this are hashed anew by every process: it takes less than a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the file system says about a file; equal identities are taken for equal contents."""

    path: str
    device: int
    inode: int
    size_bytes: int
    modified_nanoseconds: int
    changed_nanoseconds: int


def canonical(value: object) -> bytes:
    """The one JSON text of a value, for digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def value_digest(value: object) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def seal(value: object) -> bytes:
    """A JSON document of `value` with its own digest, so that a flipped bit in it is seen."""
    plain = json.loads(json.dumps(value))  # numbers as keys become strings, which sort differently
    return json.dumps({"digest": value_digest(plain), "value": plain}, indent=1).encode()


def unseal(data: bytes) -> Any:
    """What `seal` was given, as JSON values; raises `ValueError` for any other document."""
    try:
        document = json.loads(data)
        value, digest = document["value"], document["digest"]
    except (KeyError, TypeError) as error:
        raise ValueError("the document is not sealed") from error
    if value_digest(value) != digest:
        raise ValueError("the document does not match its digest")
    return value


def write_checked(path: Path, data: bytes) -> None:
    """Keep `data` with its digest, in one rename; a folder that cannot be written keeps nothing."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(hashlib.sha256(data).digest() + data)
        scratch.replace(path)


def read_checked(path: Path) -> bytes | None:
    """What `write_checked` kept, `None` where there is nothing or something else."""
    with suppress(OSError):
        found = path.read_bytes()
        digest, data = found[:32], found[32:]
        if hashlib.sha256(data).digest() == digest:
            return data
    return None


def file_digest(path: Path, *, memory: Path | None = None) -> str:
    """Hex SHA-256 of a file's bytes; `memory` is the folder that remembers digests of large files."""
    identity = _identify(path)
    if memory is None or identity.size_bytes < LARGE_BYTES:
        return _read(identity)
    note = memory / value_digest(astuple(identity))
    try:
        return _remembered(note)
    except (OSError, ValueError):
        found = _read(identity)
        _remember(note, digest=found)
        return found


def network_digest(config: Mapping[str, object], weights: tuple[Path, ...], *, memory: Path | None = None) -> str:
    """Digest of a network: its architecture and the bytes of its weights, wherever the files lie."""
    architecture = {key: value for key, value in config.items() if not _is_provenance(key)}
    return value_digest([architecture, [file_digest(path, memory=memory) for path in weights]])


def _is_provenance(key: str) -> bool:
    """Keys that tell who wrote the file in which precision, not what the network computes."""
    return key in {"_diffusers_version", "_name_or_path", "transformers_version", "dtype", "torch_dtype"}


def _identify(path: Path) -> Identity:
    resolved = path.resolve()
    found = resolved.stat()
    return Identity(
        path=str(resolved),
        device=found.st_dev,
        inode=found.st_ino,
        size_bytes=found.st_size,
        modified_nanoseconds=found.st_mtime_ns,
        changed_nanoseconds=found.st_ctime_ns,
    )


@lru_cache(maxsize=256)
def _read(identity: Identity) -> str:
    with Path(identity.path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(note: Path) -> str:
    text = note.read_text()
    if len(text) != 64:
        raise ValueError(text)
    return text


def _remember(note: Path, *, digest: str) -> None:
    """Write the note, if the folder can be written; without it the next start only takes longer."""
    scratch = note.with_name(f"{note.name}.{os.getpid()}")
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(digest)
        scratch.replace(note)
