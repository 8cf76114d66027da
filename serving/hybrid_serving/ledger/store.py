"""What keepers and statements expect of a database, and how its address becomes one.

The address is a file's content, as a Secret would be mounted, and is never logged: it may hold a password.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from hybrid_serving.ledger.entries import Count, Interval, Key, Kind, Line

SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgres://")
ADDRESS_FILE = Path("ledger") / "dsn"
"""Below the folder of mounts; without it no history is kept."""


class LedgerError(Exception):
    """The ledger's database cannot be used now; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sum:
    """All lines of one service, key, currency and price, added up."""

    service: str
    currency: str
    line: Line


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines that were counted in the same cells of a window, added up."""

    first_cell: int
    last_cell: int
    found: Sum


def stretch_of(row: Sequence[Any]) -> Stretch:
    """A row of a store's query as a stretch."""
    return Stretch(int(row[0]), int(row[1]), sum_of(row[2:]))


def sum_of(row: Sequence[Any]) -> Sum:
    """A row of a store's query as a sum."""
    service, currency, segment, tier, tenant, kind, rate, quantity, rows = row
    key = Key(str(segment), "edge" if tier == "edge" else "cloud", str(tenant), Kind(kind))
    return Sum(str(service), str(currency), Line(key, Count(int(quantity), int(rows)), Decimal(str(rate))))


class Store(Protocol):
    """A database of intervals."""

    def put(self, interval: Interval) -> None:
        """Keep an interval, whole or not at all; one that is there already stays as it is."""
        ...

    def sums(self, *, after: int, until: int) -> Sequence[Sum]:
        """What ended after and not later than these times, in nanoseconds since the epoch."""
        ...

    def course(self, *, after: int, until: int, cell: int) -> Sequence[Stretch]:
        """The same by when it was counted, in cells of so many nanoseconds from `after` on.

        A start is booked at its end, so its lines stand where it was: as long before as it took.
        """
        ...

    def latest(self) -> int | None:
        """When the last interval of all ended."""
        ...

    def forget(self, *, before: int) -> int:
        """Delete what ended before then, for good; how many intervals that were."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


def connect(address: str, *, is_read_only: bool = False) -> Store:
    """The store behind an address; it is opened at the first use."""
    if address.startswith(SQLITE):
        from hybrid_serving.ledger.sqlite import SqliteStore  # noqa: PLC0415  # only what the address names

        return SqliteStore(Path(address.removeprefix(SQLITE)), is_read_only=is_read_only)
    if address.startswith(POSTGRESQL):
        try:
            from hybrid_serving.ledger.postgresql import PostgresqlStore  # noqa: PLC0415  # a driver not all have
        except ImportError as error:
            raise LedgerError(
                "The ledger's PostgreSQL needs psycopg; install `hybrid-diffusion[postgresql]`."
            ) from error

        return PostgresqlStore(address, is_read_only=is_read_only)
    # What it begins with instead may be a password.
    raise LedgerError(
        "The ledger's address begins with something else than the expected `sqlite:///` or `postgresql://`."
    )


def mounted(mounts: Path) -> Store | None:
    """The store that the mounted file names; `None` where there is no such file, and then there is no history.

    A file that names no store is no reason not to serve: what it gives fails at every use, and the gap shows.
    """
    try:
        return connect((mounts / ADDRESS_FILE).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
    except LedgerError as error:
        return _Unusable(error)
    except UnicodeDecodeError:
        return _Unusable(LedgerError("The file with the ledger's address is not UTF-8; write the address anew."))
    except OSError as error:
        return _Unusable(LedgerError(f"The file with the ledger's address cannot be read ({error.strerror})."))


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Implements `Store` by saying why it is none."""

    reason: LedgerError

    def put(self, interval: Interval) -> None:  # noqa: ARG002  # as the protocol has it
        raise LedgerError(str(self.reason))

    def sums(self, *, after: int, until: int) -> Sequence[Sum]:  # noqa: ARG002  # as above
        raise LedgerError(str(self.reason))

    def course(self, *, after: int, until: int, cell: int) -> Sequence[Stretch]:  # noqa: ARG002  # as above
        raise LedgerError(str(self.reason))

    def latest(self) -> int | None:
        raise LedgerError(str(self.reason))

    def forget(self, *, before: int) -> int:  # noqa: ARG002  # as above
        raise LedgerError(str(self.reason))

    def close(self) -> None:
        """There is nothing to let go of."""
