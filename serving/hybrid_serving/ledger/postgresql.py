"""The ledger of a cluster, in PostgreSQL: any number of replicas write, each interval in one transaction.

The only module that imports the driver. The address holds a password, so no message repeats it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo

from hybrid_serving.ledger.entries import Interval, Line
from hybrid_serving.ledger.store import LedgerError, Stretch, Sum, stretch_of, sum_of

VERSION = 1
_CONNECT_SECONDS = 5
_UNREADABLE = (
    "The ledger's address is no PostgreSQL URL; check the Secret with it, where passwords are percent-encoded."
)
_WRITE_MILLISECONDS = 10_000
"""Of a statement by which an interval is kept: its keeper tries again. Reading and forgetting take what they take."""
_FORGET_INTERVALS = 10_000
"""In one transaction, so that forgetting years holds nobody up."""
_LOCK = 4_857_093_210
"""Keeps replicas that start together from making the tables together."""

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS hybriddiffusion;
CREATE TABLE IF NOT EXISTS hybriddiffusion.version (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS hybriddiffusion.interval (
    source TEXT NOT NULL, sequence BIGINT NOT NULL, service TEXT NOT NULL,
    began_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, currency TEXT NOT NULL,
    PRIMARY KEY (source, sequence)
);
CREATE TABLE IF NOT EXISTS hybriddiffusion.line (
    source TEXT NOT NULL, sequence BIGINT NOT NULL, segment TEXT NOT NULL, tier TEXT NOT NULL, tenant TEXT NOT NULL,
    kind TEXT NOT NULL, quantity BIGINT NOT NULL, work_rows BIGINT NOT NULL, rate TEXT NOT NULL,
    PRIMARY KEY (source, sequence, segment, tier, tenant, kind),
    FOREIGN KEY (source, sequence) REFERENCES hybriddiffusion.interval
);
CREATE INDEX IF NOT EXISTS interval_by_end ON hybriddiffusion.interval (ended_at);
INSERT INTO hybriddiffusion.version SELECT 1 WHERE NOT EXISTS (SELECT FROM hybriddiffusion.version);
"""
_HEAD = """
INSERT INTO hybriddiffusion.interval VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_LINE = "INSERT INTO hybriddiffusion.line VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
_SUMS = """
SELECT service, currency, segment, tier, tenant, kind, rate, SUM(quantity), SUM(work_rows)
FROM hybriddiffusion.interval JOIN hybriddiffusion.line USING (source, sequence)
WHERE ended_at > %s AND ended_at <= %s
GROUP BY service, currency, segment, tier, tenant, kind, rate ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
_COURSE = """
SELECT (GREATEST(%(after)s, began_at - started) - %(after)s) / %(cell)s,
    (GREATEST(%(after)s, ended_at - 1 - CASE WHEN started > 0 THEN ended_at - began_at ELSE 0 END) - %(after)s)
        / %(cell)s,
    service, currency, segment, tier, tenant, kind, rate, SUM(quantity), SUM(work_rows)
FROM (
    SELECT *, CASE kind WHEN 'startup' THEN quantity ELSE 0 END AS started
    FROM hybriddiffusion.interval JOIN hybriddiffusion.line USING (source, sequence)
    WHERE ended_at > %(after)s AND ended_at <= %(until)s
) AS counted GROUP BY 1, 2, service, currency, segment, tier, tenant, kind, rate
"""
_FORGET = """
WITH old AS (
    SELECT source, sequence FROM hybriddiffusion.interval WHERE ended_at < %s ORDER BY ended_at LIMIT %s
), lines AS (
    DELETE FROM hybriddiffusion.line AS gone USING old
    WHERE old.source = gone.source AND old.sequence = gone.sequence
)
DELETE FROM hybriddiffusion.interval AS gone USING old
WHERE old.source = gone.source AND old.sequence = gone.sequence
"""


class PostgresqlStore:
    """Implements `Store` on a server; for one thread at a time."""

    def __init__(self, address: str, *, is_read_only: bool = False) -> None:
        self._address = address
        self._is_read_only = is_read_only
        self._connection: psycopg.Connection | None = None

    def put(self, interval: Interval) -> None:
        """Keep an interval, whole or not at all; one that is there already stays as it is."""
        head = (interval.source, interval.sequence)
        values = (*head, interval.service, interval.began_at, interval.ended_at, interval.currency)
        with self._usable() as connection, connection.transaction(), connection.cursor() as cursor:
            _limit(connection)
            if cursor.execute(_HEAD, values).rowcount:
                cursor.executemany(_LINE, [(*head, *_values(line)) for line in interval.lines])

    def sums(self, *, after: int, until: int) -> Sequence[Sum]:
        """What ended after and not later than these times, in nanoseconds since the epoch."""
        with self._usable() as connection:
            return [sum_of(row) for row in connection.execute(_SUMS, (after, until)).fetchall()]

    def course(self, *, after: int, until: int, cell: int) -> Sequence[Stretch]:
        """The same by when it was counted, in cells of so many nanoseconds from `after` on."""
        with self._usable() as connection:
            found = connection.execute(_COURSE, {"after": after, "until": until, "cell": cell}).fetchall()
            return [stretch_of(row) for row in found]

    def latest(self) -> int | None:
        """When the last interval of all ended."""
        with self._usable() as connection:
            row = connection.execute("SELECT MAX(ended_at) FROM hybriddiffusion.interval").fetchone()
            return row[0] if row else None

    def forget(self, *, before: int) -> int:
        """Delete what ended before then, for good; how many intervals that were."""
        forgotten, last = 0, _FORGET_INTERVALS
        with self._usable() as connection:
            while last == _FORGET_INTERVALS:
                last = connection.execute(_FORGET, (before, _FORGET_INTERVALS)).rowcount
                forgotten += last
        return forgotten

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _usable(self) -> Iterator[psycopg.Connection]:
        """The connection; whatever fails leaves nothing half done and is connected anew next time."""
        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except psycopg.Error as error:
            self.close()
            said = " ".join(str(error).split()) or type(error).__name__
            raise LedgerError(
                f"The ledger's PostgreSQL cannot be used ({said}); check the server and the Secret with its address."
            ) from error

    def _open(self) -> psycopg.Connection:
        parameters = {**_parameters(self._address), "connect_timeout": _CONNECT_SECONDS}
        connection = psycopg.connect(conninfo.make_conninfo(**parameters), autocommit=True)
        try:
            with connection.transaction():
                if not self._is_read_only:
                    _limit(connection)
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                    # Even `IF NOT EXISTS` asks for the right to create, which who finds the tables made need not have.
                    if connection.execute("SELECT to_regclass('hybriddiffusion.version')").fetchone() == (None,):
                        connection.execute(_SCHEMA.encode())
                found = connection.execute("SELECT MAX(number) FROM hybriddiffusion.version").fetchone()
        except psycopg.Error:
            connection.close()
            raise
        if found is None or found[0] != VERSION:
            connection.close()
            raise psycopg.DatabaseError(f"found version {found and found[0]} of its tables, expected {VERSION}")
        return connection


def _limit(connection: psycopg.Connection) -> None:
    """Let no statement of this transaction take longer than a write may."""
    connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(_WRITE_MILLISECONDS),))


def _parameters(address: str) -> dict[str, Any]:
    """The parts of an address. libpq repeats what it cannot read, which may be the password; so would a traceback."""
    try:
        parts = conninfo.conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        raise LedgerError(_UNREADABLE) from None
    if not all(port.isdigit() for port in str(parts.get("port", "")).split(",") if port):
        raise LedgerError(_UNREADABLE)
    return parts


def _values(line: Line) -> tuple[str | int, ...]:
    return (*line.key[:3], line.key.kind.value, *line.count, str(line.rate))
