"""Lets every counter be seen at zero before anything is in it.

Prometheus tells increases between samples, so what a counter holds at its first sample is on no dashboard: the start of
a worker, a tenant's first pictures. Amounts of a new series are held back until somebody has surely sampled it. What is
held when a process ends is lost to counters, as it was without this; the ledger has it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hybrid_api.metric_names import Metric
from hybrid_serving.cloud.metrics import Meter

HOLD_SECONDS = 45.0
"""Ray hands metrics on every ten seconds, and hardly anybody samples less often than every thirty."""
_AS_GOOD_AS_ZERO = 1e-300
"""Ray's counters refuse zero."""

_Series = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class _New:
    """A series that is seen at zero now."""

    metric: Metric
    labels: Mapping[str, str]
    until: float
    amount: float = 0.0


@dataclass(slots=True, kw_only=True)
class Held:
    """Implements `Meter` on another one; each call lets go what is due, and gauges are shown all the time."""

    inner: Meter
    clock: Callable[[], float] = time.monotonic
    _new: dict[_Series, _New] = field(default_factory=dict)
    _known: set[_Series] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter, once it was seen at zero."""
        self._let_go()
        if amount > 0 and not self._held(metric, amount, labels):
            self.inner.add(metric, amount, labels)

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""
        self._let_go()
        self.inner.show(metric, value, labels)

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Add one value to a histogram."""
        self._let_go()
        self.inner.observe(metric, value, labels)

    def _held(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> bool:
        series = (metric.name, tuple(labels.values()))
        with self._lock:
            if series in self._known:
                return False
            if series not in self._new:
                self._new[series] = _New(metric, dict(labels), self.clock() + HOLD_SECONDS)
                self.inner.add(metric, _AS_GOOD_AS_ZERO, labels)
            self._new[series].amount += amount
            return True

    def _let_go(self) -> None:
        if not self._new:
            return
        now = self.clock()
        with self._lock:
            due = {series: new for series, new in self._new.items() if new.until <= now}
            for series, new in due.items():
                del self._new[series]
                self._known.add(series)
                self.inner.add(new.metric, new.amount, new.labels)
