"""The ledger of one machine, in one SQLite file: several processes write in turn, each interval in one transaction.

Write-ahead log with full synchronisation: what was committed survives `kill -9` and a power cut.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hybrid_serving.ledger.entries import Interval, Line
from hybrid_serving.ledger.store import LedgerError, Stretch, Sum, stretch_of, sum_of

VERSION = 1
_WAIT_SECONDS = 10.0
"""For other writers of this machine; each needs milliseconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS interval (
    source TEXT NOT NULL, sequence INTEGER NOT NULL, service TEXT NOT NULL,
    began_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, currency TEXT NOT NULL,
    PRIMARY KEY (source, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line (
    source TEXT NOT NULL, sequence INTEGER NOT NULL, segment TEXT NOT NULL, tier TEXT NOT NULL, tenant TEXT NOT NULL,
    kind TEXT NOT NULL, quantity INTEGER NOT NULL, work_rows INTEGER NOT NULL, rate TEXT NOT NULL,
    PRIMARY KEY (source, sequence, segment, tier, tenant, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS interval_by_end ON interval (ended_at);
"""
_SUMS = """
SELECT service, currency, segment, tier, tenant, kind, rate,
    SUM(quantity / 1000000000), SUM(quantity % 1000000000), SUM(work_rows)
FROM interval JOIN line USING (source, sequence) WHERE ended_at > ? AND ended_at <= ?
GROUP BY service, currency, segment, tier, tenant, kind, rate ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
_COURSE = """
SELECT (MAX(:after, began_at - started) - :after) / :cell,
    (MAX(:after, ended_at - 1 - CASE WHEN started > 0 THEN ended_at - began_at ELSE 0 END) - :after) / :cell,
    service, currency, segment, tier, tenant, kind, rate,
    SUM(quantity / 1000000000), SUM(quantity % 1000000000), SUM(work_rows)
FROM (
    SELECT *, CASE kind WHEN 'startup' THEN quantity ELSE 0 END AS started
    FROM interval JOIN line USING (source, sequence) WHERE ended_at > :after AND ended_at <= :until
) GROUP BY 1, 2, service, currency, segment, tier, tenant, kind, rate
"""
_FORGET_LINES = """
DELETE FROM line WHERE EXISTS (
    SELECT 1 FROM interval
    WHERE interval.source = line.source AND interval.sequence = line.sequence AND ended_at < ?
)
"""


class SqliteStore:
    """Implements `Store` on a file; for one thread at a time."""

    def __init__(self, path: Path, *, is_read_only: bool = False) -> None:
        self._path = path
        self._is_read_only = is_read_only
        self._connection: sqlite3.Connection | None = None

    def put(self, interval: Interval) -> None:
        """Keep an interval, whole or not at all; one that is there already stays as it is."""
        head = (interval.source, interval.sequence)
        with self._usable() as connection:
            connection.execute("BEGIN IMMEDIATE")
            values = (*head, interval.service, interval.began_at, interval.ended_at, interval.currency)
            found = connection.execute("INSERT OR IGNORE INTO interval VALUES (?, ?, ?, ?, ?, ?)", values)
            if found.rowcount:
                rows = [_values(head, line) for line in interval.lines]
                connection.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")

    def sums(self, *, after: int, until: int) -> Sequence[Sum]:
        """What ended after and not later than these times, in nanoseconds since the epoch."""
        with self._usable() as connection:
            return [sum_of(_joined(row)) for row in connection.execute(_SUMS, (after, until))]

    def course(self, *, after: int, until: int, cell: int) -> Sequence[Stretch]:
        """The same by when it was counted, in cells of so many nanoseconds from `after` on."""
        with self._usable() as connection:
            found = connection.execute(_COURSE, {"after": after, "until": until, "cell": cell})
            return [stretch_of(_joined(row)) for row in found]

    def latest(self) -> int | None:
        """When the last interval of all ended."""
        with self._usable() as connection:
            found: int | None = connection.execute("SELECT MAX(ended_at) FROM interval").fetchone()[0]
            return found

    def forget(self, *, before: int) -> int:
        """Delete what ended before then, for good; how many intervals that were."""
        with self._usable() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_FORGET_LINES, (before,))
            found = connection.execute("DELETE FROM interval WHERE ended_at < ?", (before,))
            connection.execute("COMMIT")
            return found.rowcount

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _usable(self) -> Iterator[sqlite3.Connection]:
        """The connection; whatever fails leaves nothing half done and is opened anew next time."""
        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except (sqlite3.Error, OSError) as error:
            self._abandon()
            raise LedgerError(
                f"The ledger {self._path} cannot be used ({error}); check the disk and the file's owner."
            ) from error

    def _abandon(self) -> None:
        # Closing rolls an open transaction back.
        try:
            self.close()
        except sqlite3.Error:
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._is_read_only:
            if not self._path.is_file():
                raise FileNotFoundError("there is no such file; nothing was served from this folder yet")
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        else:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Keepers open it in one thread and close it in another, never both at once.
            connection = sqlite3.connect(
                self._path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            with _alone_in(self._path.parent):
                if not _version(connection):
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.executescript(_SCHEMA + f"PRAGMA user_version={VERSION};")
            connection.execute("PRAGMA synchronous=FULL")
        found = _version(connection)
        if found != VERSION:
            connection.close()
            raise sqlite3.DatabaseError(f"found version {found} of its tables, expected {VERSION}")
        return connection


def _joined(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose quantity came in two parts: SQLite adds no integers beyond 64 bits, and a year of money is longer."""
    *before, billions, rest, work_rows = row
    return (*before, billions * 1_000_000_000 + rest, work_rows)


def _version(connection: sqlite3.Connection) -> int:
    """Of the tables; 0 where there are none yet."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """SQLite does not wait for others where a new file becomes a write-ahead log; it fails at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _values(head: tuple[str, int], line: Line) -> tuple[str | int, ...]:
    return (*head, *line.key[:3], line.key.kind.value, *line.count, str(line.rate))
