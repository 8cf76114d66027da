"""Which resource is worked on next: each at most once at a time, soon after something changed, later after a failure.

A key added while it waits stays one item; added while it is worked on, it is worked on once more. It knows neither
Kubernetes nor what the work is.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from hybrid_operator import metrics
from hybrid_operator.store import Key

logger = logging.getLogger(__name__)

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 120.0

Work = Callable[[Key], Awaitable[timedelta | None]]
"""Works on one resource; answers when to look again though nothing is heard."""


class Postponed(Protocol):
    """An error that says itself when to try again."""

    retry_after_seconds: float


@dataclass(slots=True)
class _Item:
    due: float | None = None
    """Loop time from which it shall be worked on; `None` while nothing waits."""
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None
    """Waits for a slot, then works."""
    failures: int = 0
    started: float | None = None
    """Loop time since which it is worked on; `None` while it is not."""


class Queue:
    """The items, and one task for each that is worked on."""

    def __init__(self, work: Work, *, at_once: int, random_source: random.Random) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(at_once)
        self._random = random_source
        self._items: dict[Key, _Item] = {}
        self._is_open = True

    def add(self, key: Key, *, delay_seconds: float = 0.0) -> None:
        """Have `key` worked on after the delay, or earlier if it was to be."""
        if not self._is_open:
            return
        item = self._items.setdefault(key, _Item())
        due = asyncio.get_running_loop().time() + delay_seconds
        if item.due is None or due < item.due:
            self._schedule(key, item, due)

    def longest_wait_seconds(self) -> float:
        """How long the item that is most overdue, or longest worked on, has been so."""
        now = asyncio.get_running_loop().time()
        since = [item.due if item.started is None else item.started for item in self._items.values()]
        return max((now - when for when in since if when is not None), default=0.0)

    def waiting(self) -> int:
        """Items that are due and not worked on."""
        now = asyncio.get_running_loop().time()
        idle = (item.due for item in self._items.values() if item.started is None)
        return sum(due is not None and due <= now for due in idle)

    async def close(self, *, within_seconds: float) -> None:
        """Take nothing more; let running work end, and cancel what does not in time."""
        self._is_open = False
        for item in self._items.values():
            if item.timer:
                item.timer.cancel()
        tasks = {item.task for item in self._items.values() if item.task}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _schedule(self, key: Key, item: _Item, due: float) -> None:
        if item.timer:
            item.timer.cancel()
        item.due = due
        # An item in work is looked at again when its task ends.
        item.timer = None if item.task else asyncio.get_running_loop().call_at(due, self._start, key, item)

    def _start(self, key: Key, item: _Item) -> None:
        item.timer = None
        item.task = asyncio.get_running_loop().create_task(self._run(key, item), name=f"reconcile {key}")

    async def _run(self, key: Key, item: _Item) -> None:
        async with self._slots:
            item.due, item.started = None, asyncio.get_running_loop().time()
            again = await self._attempt(key, item)
        item.task = item.started = None
        if not self._is_open:
            return
        if again is not None:
            self.add(key, delay_seconds=again)
        if item.due is not None:
            self._schedule(key, item, item.due)
        elif item.failures == 0:
            del self._items[key]

    async def _attempt(self, key: Key, item: _Item) -> float | None:
        """Seconds until the next attempt, if there shall be one whatever is heard."""
        try:
            with metrics.timed_reconcile():
                again = await self._work(key)
        except Exception as error:
            item.failures += 1
            delay = getattr(error, "retry_after_seconds", None) or self._backoff(item.failures)
            metrics.RECONCILE_ERRORS.labels(type(error).__name__).inc()
            logger.warning("Reconciling %s failed, next attempt in %.1f s: %s", key, delay, error, exc_info=error)
            return float(delay)
        item.failures = 0
        return again.total_seconds() if again is not None else None

    def _backoff(self, failures: int) -> float:
        """Doubling, with half of it left to chance, so that what failed together does not come back together."""
        whole = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 20))
        return whole * (0.5 + self._random.random() / 2)
