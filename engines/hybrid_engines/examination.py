"""What one device found out about an entry of the cache: which buckets it may use, and how fast they are.

Kept beside the entry, one folder a device, because an engine may be compiled where nothing can run it and may run on
devices that measure differently. It must not run engines.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hybrid_engines import digests
from hybrid_engines.cache import EntryRefused

FILE = "examination.json"


@dataclass(frozen=True, slots=True)
class Examination:
    """The proof that an engine answered its probe on `device`; without one its status is unverified there."""

    device: str
    bucket: int | None
    """The only bucket that may be used, where results depend on the batch."""
    milliseconds: Mapping[int, float]
    """Median time of one call by bucket (rows)."""


def folder(entry: Path, *, device: str) -> Path:
    """Where `device` keeps what belongs to it alone."""
    return entry / "devices" / digests.value_digest(device)[:16]


def read(entry: Path, *, device: str) -> Examination | None:
    """The examination of the entry in folder `entry` by `device`, `None` if there was none."""
    path = folder(entry, device=device) / FILE
    return _parse(path) if path.is_file() else None


def read_all(entry: Path) -> tuple[Examination, ...]:
    """The examinations of an entry by every device; one that cannot be read is none."""
    found = []
    for path in sorted(entry.glob(f"devices/*/{FILE}")):
        with suppress(EntryRefused):
            found.append(_parse(path))
    return tuple(found)


def write(entry: Path, found: Examination) -> None:
    """Keep an examination, in one rename."""
    path = folder(entry, device=found.device) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{FILE}.{os.getpid()}")
    with scratch.open("wb") as file:
        file.write(digests.seal(asdict(found)))
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the name without the bytes
    scratch.replace(path)


def _parse(path: Path) -> Examination:
    try:
        document = digests.unseal(path.read_bytes())
        return Examination(
            device=str(document["device"]),
            bucket=document["bucket"],
            milliseconds={int(rows): float(value) for rows, value in document["milliseconds"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EntryRefused(f"The examination `{path}` cannot be read: {error!r}.") from error
