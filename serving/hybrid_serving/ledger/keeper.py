"""Keeps one process's intervals: a thread that closes one every few seconds and writes it until it is committed.

Serving never waits for it. While the database is away the open interval grows, and `behind_seconds` shows the gap; what
a process had not committed when it was killed is lost, what it had is not.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns

from hybrid_serving.ledger.entries import Interval, Kind, Role, Tariff
from hybrid_serving.ledger.journal import Journal, Totals
from hybrid_serving.ledger.store import LedgerError, Store

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 2.0
QUIET_SECONDS = 60.0
"""How long an interval may grow in which nobody's work was done; less for a young process, whose minute is much."""
_QUIET_SHARE = 0.01
_LAST_WRITE_SECONDS = 10.0


class Keeper:
    """Writes what `read` counts; `read` is called on the keeper's thread."""

    def __init__(
        self,
        store: Store,
        read: Callable[[], Totals],
        *,
        service: str,
        source: str,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._store = store
        self._read = read
        self._period_seconds = period_seconds
        self._born = perf_counter_ns()
        self._journal = Journal(service=service, source=source, tariff=Tariff(), began=self._born)
        self._pending: deque[Interval] = deque()
        self._used = 0
        self._has_tariff = False
        self._is_failing = False
        self._tariff: Tariff | None = None
        self._committed = perf_counter_ns()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self.failures = 0
        """Writes that failed."""

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def reprice(self, tariff: Tariff) -> None:
        """Let a new interval begin at these prices; what was counted before keeps its own. Nothing is kept before."""
        self._tariff = tariff
        self._wake.set()

    def stop(self) -> None:
        """Write what is still open, and end."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_WRITE_SECONDS)

    @property
    def behind_seconds(self) -> float:
        """How much of this process's past is in no ledger yet, beyond what is usual."""
        open_seconds = (perf_counter_ns() - self._committed) / 1e9
        return open_seconds if self._pending else 0.0

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._wake.wait(self._period_seconds)
            self._wake.clear()
            # Asked once a turn: what was told to stop during a turn takes another.
            is_last = self._stopping.is_set()
            try:
                self._turn(is_last=is_last)
            except Exception:  # the outermost loop of this thread; a ledger must not end a replica
                logger.exception("The ledger could not be kept this time.")
                self.failures += 1
        self._store.close()

    def _turn(self, *, is_last: bool) -> None:
        if (tariff := self._tariff) is None:
            return
        is_first, self._has_tariff = not self._has_tariff, True
        if is_first:
            self._journal.tariff = tariff
        is_repriced = tariff != self._journal.tariff
        # While something waits, the open interval grows instead; what may have been committed never changes.
        if not self._pending or is_repriced or is_last:
            self._close(is_due=is_repriced or is_last)
        self._journal.tariff = tariff
        self._write()

    def _close(self, *, is_due: bool) -> None:
        totals = self._read()
        now = perf_counter_ns()
        used = sum(count.quantity for key, count in totals.items() if key.kind.role is Role.USED or _tells(key.kind))
        quiet_seconds = min(QUIET_SECONDS, max(PERIOD_SECONDS, _QUIET_SHARE * (now - self._born) / 1e9))
        if used == self._used and not is_due and (now - self._journal.began) / 1e9 < quiet_seconds:
            return
        self._used = used
        interval = self._journal.close(totals, now=now, at=time.time_ns())
        if interval is not None:
            self._pending.append(interval)

    def _write(self) -> None:
        while self._pending:
            try:
                self._store.put(self._pending[0])
            except LedgerError as error:
                if not self._is_failing:
                    logger.warning("%s Serving goes on; the ledger is written when it can be.", error)
                self._is_failing = True
                self.failures += 1
                return
            self._is_failing = False
            self._pending.popleft()
            self._committed = perf_counter_ns()


def source(part: str) -> str:
    """A name for this process that no other has, however often it starts."""
    return f"{part}-{os.getpid()}-{secrets.token_hex(8)}"


def _tells(kind: Kind) -> bool:
    return kind in (Kind.IMAGES, Kind.EDGE)
