"""What a worker tells the meter, from its clocks, its timings and the prices of now.

Called about once a second, off the engine's thread. It computes money for display only; the ledger has the exact one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hybrid_api import metric_names
from hybrid_serving.cloud import timings
from hybrid_serving.cloud.metrics import Meter, Totals
from hybrid_serving.cloud.timings import Timings
from hybrid_serving.ledger.entries import Count, Key, Kind, Role, Tariff
from hybrid_serving.ledger.journal import Totals as Counted

_BASIS = "cost_basis"


@dataclass(slots=True, kw_only=True)
class Telling:
    """One worker's voice."""

    meter: Meter
    segment: str
    tariff: Tariff = field(default_factory=Tariff)
    hourly: Mapping[str, Decimal] = field(default_factory=dict)
    """What the worker costs an hour, by resource."""
    _totals: Totals = field(init=False)
    _known: dict[Key, Count] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._totals = Totals(self.meter)

    def counted(self, totals: Counted) -> None:
        """Tell times and money, from what the ledger is told too."""
        for key, count in totals.items():
            since = count.quantity - self._known.get(key, Count(0)).quantity
            self._known[key] = count
            self._time(key, count.quantity / 1e9)
            if since > 0:
                self._money(key, float(self.tariff.rate(key)) * since / key.kind.unit.value)

    def calls(self, calls: Mapping[str, int], rows: Mapping[str, int]) -> None:
        """Tell engine calls and rows, by kind of item."""
        for metric, amounts in ((metric_names.ENGINE_CALLS, calls), (metric_names.ENGINE_ROWS, rows)):
            for kind, amount in amounts.items():
                self._totals.reach(metric, amount, {"segment": self.segment, "kind": kind})

    def steps(self, rows: Mapping[str, int]) -> None:
        """Tell rows of steps, by tenant."""
        for tenant, amount in rows.items():
            self._totals.reach(metric_names.STEPS, amount, {"tenant": tenant, "segment": self.segment})

    def cached(self, *, hits: int, misses: int) -> None:
        """Tell how often a text was encoded already."""
        for outcome, amount in (("hit", hits), ("miss", misses)):
            self._totals.reach(metric_names.PROMPT_CACHE, amount, {"segment": self.segment, "outcome": outcome})

    def timed(self, found: Timings) -> None:
        """Tell how long work waited and steps took since the last time."""
        labels = {"segment": self.segment}
        for metric, durations in (
            (metric_names.QUEUE_WAIT, found.waits),
            (metric_names.STEP_SECONDS, found.steps),
        ):
            for seconds in timings.taken(durations):
                self.meter.observe(metric, seconds, labels)

    def now(self, *, outstanding_seconds: float, wait_seconds: float) -> None:
        """Tell what holds at the moment."""
        labels = {"segment": self.segment}
        self.meter.show(metric_names.OUTSTANDING, outstanding_seconds, labels)
        self.meter.show(metric_names.WAIT, wait_seconds, labels)
        self.meter.show(metric_names.IS_PRICED, float(bool(self.tariff.currency)), labels)
        for resource, amount in self.hourly.items():
            place = {**labels, "tier": "cloud", "resource": resource, _BASIS: "allocation"}
            self.meter.show(metric_names.HOURLY_COST, float(amount), place)

    def started(self, seconds: float) -> None:
        """Tell how long the start took, once."""
        self.meter.observe(metric_names.COLD_STARTS, seconds, {"segment": self.segment})

    def ledger(self, *, behind_seconds: float, failures: int) -> None:
        """Tell how well the history is kept."""
        tell_ledger(self.meter, self._totals, behind_seconds=behind_seconds, failures=failures)

    def _time(self, key: Key, seconds: float) -> None:
        place = {"segment": key.segment}
        if key.kind.role is Role.USED:
            labels = {"tenant": key.tenant, **place, "kind": key.kind.value}
            self._totals.reach(metric_names.ENGINE_SECONDS, seconds, labels)
        elif key.kind.role is Role.OVERHEAD:
            self._totals.reach(metric_names.OVERHEAD_SECONDS, seconds, {**place, "kind": key.kind.value})
        elif key.kind in (Kind.CANCELLED, Kind.FAILED):
            labels = {"tenant": key.tenant, **place, "reason": key.kind.value}
            self._totals.reach(metric_names.VAIN_SECONDS, seconds, labels)

    def _money(self, key: Key, amount: float) -> None:
        place = {"segment": key.segment, "tier": key.tier, "kind": key.kind.value}
        if key.kind.role is Role.USED:
            self.meter.add(metric_names.COST, amount, {"tenant": key.tenant, **place, _BASIS: "usage"})
        elif key.kind.role is Role.OVERHEAD:
            self.meter.add(metric_names.OVERHEAD_COST, amount, {**place, _BASIS: "allocation"})


def tell_ledger(meter: Meter, totals: Totals, *, behind_seconds: float, failures: int) -> None:
    """Tell how much history is still to be written, and how often that failed."""
    meter.show(metric_names.LEDGER_BEHIND, behind_seconds, {})
    totals.reach(metric_names.LEDGER_FAILURES, failures, {})
