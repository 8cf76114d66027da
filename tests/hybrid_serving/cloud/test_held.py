"""Counters are seen at zero first, and then hold everything that was counted."""

import random
from collections.abc import Mapping

from hybrid_api import metric_names
from hybrid_api.metric_names import Metric
from hybrid_serving.cloud import held
from hybrid_serving.cloud.held import Held


class Counters:
    """A meter that keeps counters as Ray would, and a clock."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        self.now = 100.0
        self.held = Held(inner=self, clock=lambda: self.now)

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        assert amount > 0, "Ray refuses it"
        key = (metric.name, *labels.values())
        self.values[key] = self.values.get(key, 0.0) + amount

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """As Ray does."""

    observe = show

    def images(self, tenant: str) -> float | None:
        return self.values.get(("hybriddiffusion_images", tenant, "cloud"))

    def count(self, amount: float, *, tenant: str = "ada") -> None:
        self.held.add(metric_names.IMAGES, amount, {"tenant": tenant, "tier": "cloud"})

    def pass_time(self, seconds: float) -> None:
        """Something shows a gauge each second."""
        self.now += seconds
        self.held.show(metric_names.WAIT, 0.0, {"segment": "large"})


def test_a_new_series_is_seen_at_zero_until_it_was_sampled() -> None:
    found = Counters()
    found.count(3)
    found.pass_time(held.HOLD_SECONDS - 1)
    assert found.images("ada") == 1e-300
    found.pass_time(1)
    assert found.images("ada") == 3


def test_what_comes_meanwhile_is_held_too_and_what_comes_later_is_not() -> None:
    found = Counters()
    found.count(3)
    found.pass_time(held.HOLD_SECONDS / 2)
    found.count(4)
    found.pass_time(held.HOLD_SECONDS / 2)
    assert found.images("ada") == 7
    found.count(1)
    assert found.images("ada") == 8


def test_each_series_waits_for_itself() -> None:
    found = Counters()
    found.count(3)
    found.pass_time(held.HOLD_SECONDS)
    found.count(5, tenant="bob")
    assert (found.images("ada"), found.images("bob")) == (3, 1e-300)


def test_nothing_is_no_series() -> None:
    found = Counters()
    found.count(0)
    assert found.values == {}


def test_whatever_is_counted_whenever_arrives_once() -> None:
    found, rng, counted = Counters(), random.Random(5), dict.fromkeys("abc", 0)
    for _ in range(300):
        tenant, amount = rng.choice("abc"), rng.randrange(5)
        found.count(amount, tenant=tenant)
        counted[tenant] += amount
        found.pass_time(rng.uniform(0, 2))
    found.pass_time(held.HOLD_SECONDS)
    assert {tenant: found.images(tenant) for tenant in "abc"} == counted
