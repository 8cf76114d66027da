"""From totals that only grow to intervals that never overlap: what was counted since the last one, at its prices.

Pure: clocks are arguments, keeping is the keeper's. Nothing is in two intervals, and nothing between two of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybrid_serving.ledger.entries import Count, Interval, Key, Line, Tariff

Totals = Mapping[Key, Count]
"""Since the process's start."""

_NONE = Count(0)


@dataclass(slots=True, kw_only=True)
class Journal:
    """The intervals of one process."""

    service: str
    source: str
    tariff: Tariff
    began: int
    """Nanoseconds on the process's stopwatch at which the open interval began."""
    sequence: int = 0
    _closed: dict[Key, Count] = field(default_factory=dict)
    """Totals at the end of the last interval."""

    def close(self, totals: Totals, *, now: int, at: int) -> Interval | None:
        """End the open interval: `now` is the stopwatch, `at` the time of day; `None` where nothing was counted."""
        lines = tuple(self._line(key, count) for key, count in totals.items() if count != self._closed.get(key, _NONE))
        if not lines:
            return None
        interval = Interval(
            service=self.service,
            source=self.source,
            sequence=self.sequence,
            began_at=at - (now - self.began),
            ended_at=at,
            currency=self.tariff.currency,
            lines=lines,
        )
        self._closed.update(totals)
        self.sequence += 1
        self.began = now
        return interval

    def _line(self, key: Key, count: Count) -> Line:
        before = self._closed.get(key, _NONE)
        since = Count(count.quantity - before.quantity, count.rows - before.rows)
        return Line(key, since, self.tariff.rate(key))
