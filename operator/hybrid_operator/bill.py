"""What the pods of every resource cost, measured from outside: how long they are there, times what they occupy.

It asks no worker anything, so that what workers book themselves can be held against it. It writes nothing to the
cluster. What passes while nobody leads is on no bill: counters tell what was seen, never a guess.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_operator import metrics, occupancy
from hybrid_operator.children import LABEL_NAME, LABEL_ROLE, LABEL_SEGMENT, label
from hybrid_operator.ownership import parse_time
from hybrid_operator.store import Key

Pod = Mapping[str, Any]

_SECONDS_AN_HOUR = 3600
_WORKER = "worker"


@dataclass(frozen=True, slots=True)
class _Stay:
    """A pod as last seen."""

    key: Key
    role: str
    segment: str
    phase: str
    """What it was doing: no worker books what is before its container ran, or after it was told to go."""
    resources: cost.Resources
    seen_at: float
    """By the stopwatch."""


@dataclass(slots=True, kw_only=True)
class Bill:
    """The bill of one leadership, brought up to date by `look`."""

    began_at: datetime
    """What was before has been billed by somebody else, or by nobody."""
    _prices: dict[Key, PriceList | None] = field(default_factory=dict)
    _stays: dict[str, _Stay] = field(default_factory=dict)
    """By the pod's uid."""
    _gone: set[Key] = field(default_factory=set)

    def reprice(self, key: Key, prices: PriceList | None) -> None:
        """From now on at these prices."""
        self._prices[key] = prices
        self._gone.discard(key)

    def forget(self, key: Key) -> None:
        """The resource is gone; nothing more is told of it once its last pod is."""
        self._gone.add(key)

    def look(self, pods: Iterable[Pod], *, now: datetime, ticks: float) -> None:
        """Bill what passed since the last look; `ticks` are seconds of a stopwatch that nobody sets."""
        found = {str(pod["metadata"]["uid"]): pod for pod in pods if _is_there(pod)}
        for uid in set(self._stays) - set(found):
            self._count(self._stays.pop(uid), until=ticks)
        for uid, pod in found.items():
            if before := self._stays.get(uid):
                self._count(before, until=ticks)
                self._stays[uid] = _stay(pod, seen_at=ticks)
            else:
                self._stays[uid] = _stay(pod, seen_at=ticks - self._already(pod, now=now))
        for key in self._gone - {stay.key for stay in self._stays.values()}:
            self._gone.discard(key)
            self._prices.pop(key, None)
            metrics.forget_bill(namespace=key.namespace, name=key.name)

    def _already(self, pod: Pod, *, now: datetime) -> float:
        """How long a pod that is seen for the first time has been there, as far as it is ours to bill."""
        began = max(parse_time(pod["status"]["startTime"]), self.began_at)
        return max(0.0, (now - began).total_seconds())

    def _count(self, stay: _Stay, *, until: float) -> None:
        seconds = max(0.0, until - stay.seen_at)
        whose = (stay.key.namespace, stay.key.name, stay.role, stay.segment, stay.phase)
        metrics.POD_SECONDS.labels(*whose).inc(seconds)
        hourly = _hourly(stay.resources, self._prices.get(stay.key))
        if hourly is not None:
            amount = hourly * Decimal(seconds) / _SECONDS_AN_HOUR
            metrics.BILLED_COST.labels(*whose, "allocation").inc(float(amount))


def _is_there(pod: Pod) -> bool:
    """Whether it occupies its node: one that is not scheduled, or has run to its end, does not."""
    status = pod.get("status") or {}
    return "startTime" in status and status.get("phase") not in ("Succeeded", "Failed")


def _stay(pod: Pod, *, seen_at: float) -> _Stay:
    role, segment = label(pod, LABEL_ROLE), label(pod, LABEL_SEGMENT)
    return _Stay(
        key=Key(pod["metadata"]["namespace"], label(pod, LABEL_NAME)),
        role=_WORKER if segment else role,
        segment=segment,
        phase=_phase(pod),
        resources=occupancy.of_pod(pod),
        seen_at=seen_at,
    )


def _phase(pod: Pod) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "ending"
    states = [each.get("state") or {} for each in pod["status"].get("containerStatuses") or []]
    return "running" if states and all("running" in each for each in states) else "starting"


def _hourly(resources: cost.Resources, prices: PriceList | None) -> Decimal | None:
    """`None` where the list has no price for what is occupied."""
    if prices is None:
        return None
    try:
        return cost.hourly(resources, prices=prices)
    except cost.CostError:
        return None
