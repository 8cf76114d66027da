"""The bill of pods: nothing before it began, nothing twice, nothing of pods that are not there."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from hybrid_api.prices import PriceList
from hybrid_operator import metrics
from hybrid_operator.bill import Bill
from hybrid_operator.store import Key

Manifest = dict[str, Any]
BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
DEAR = PriceList(currency="USD", cpu_core_hour=Decimal(1))
_NAMES = (f"shapes-{number}" for number in count())


@pytest.fixture
def key() -> Key:
    """A name that no other test counts under."""
    return Key("pictures", next(_NAMES))


def a_pod(key: Key, *, uid: str = "u", started: float | None = 0.0, segment: str = "large", **more: Any) -> Manifest:
    """A worker of two cores that started so many seconds after the bill began."""
    labels = {"hybriddiffusion.io/name": key.name, "hybriddiffusion.io/role": segment or more.get("role", "head")}
    labels |= {"hybriddiffusion.io/segment": segment} if segment else {}
    metadata = {"uid": uid, "namespace": key.namespace, "name": uid, "labels": labels, **more.get("metadata", {})}
    state = more.get("state", {"running": {}})
    status: Manifest = {"phase": more.get("phase", "Running"), "containerStatuses": [{"name": "ray", "state": state}]}
    if started is not None:
        status["startTime"] = (BEGAN + timedelta(seconds=started)).isoformat().replace("+00:00", "Z")
    requests = more.get("requests", {"cpu": "2"})
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "ray", "resources": {"requests": requests}}]},
        "status": status,
    }


class Looking:
    """A bill, and a clock that only it reads."""

    def __init__(self, key: Key, *, prices: PriceList | None = DEAR) -> None:
        self.key, self.bill, self.seconds = key, Bill(began_at=BEGAN), 0.0
        self.bill.reprice(key, prices)

    def look(self, *pods: Manifest, after: float) -> None:
        self.seconds += after
        self.bill.look(pods, now=BEGAN + timedelta(seconds=self.seconds), ticks=1000 + self.seconds)

    def seconds_of(self, phase: str, *, role: str = "worker", segment: str = "large") -> float:
        found = metrics.POD_SECONDS.labels(self.key.namespace, self.key.name, role, segment, phase)
        return float(found._value.get())

    def cost(self, *, role: str = "worker", segment: str = "large", phase: str = "running") -> float:
        labels = (self.key.namespace, self.key.name, role, segment, phase, "allocation")
        return float(metrics.BILLED_COST.labels(*labels)._value.get())


@pytest.fixture
def looking(key: Key) -> Iterator[Looking]:
    yield Looking(key)
    metrics.forget_bill(namespace=key.namespace, name=key.name)


def test_a_pod_is_billed_from_its_start_though_it_is_seen_later(looking: Looking, key: Key) -> None:
    looking.look(after=100)
    looking.look(a_pod(key, started=90), after=5)
    looking.look(a_pod(key, started=90), after=5)
    assert looking.seconds_of("running") == pytest.approx(20)
    assert looking.cost() == pytest.approx(20 * 2 / 3600)


def test_what_was_before_is_somebody_elses(looking: Looking, key: Key) -> None:
    looking.look(a_pod(key, started=-3600), after=10)
    looking.look(a_pod(key, started=-3600), after=10)
    assert looking.seconds_of("running") == pytest.approx(20)


def test_a_pod_that_vanished_is_billed_until_that_is_noticed_and_not_again(looking: Looking, key: Key) -> None:
    looking.look(a_pod(key), after=0)
    looking.look(a_pod(key), after=5)
    for _ in range(3):
        looking.look(after=5)
    assert looking.seconds_of("running") == pytest.approx(10)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_run_to_its_end_costs_nothing_more(looking: Looking, key: Key, phase: str) -> None:
    looking.look(a_pod(key), after=5)
    for _ in range(3):
        looking.look(a_pod(key, phase=phase), after=5)
    assert looking.seconds_of("running") == pytest.approx(10)


def test_a_pod_without_a_node_costs_nothing(looking: Looking, key: Key) -> None:
    for _ in range(3):
        looking.look(a_pod(key, started=None, phase="Pending", state={"waiting": {}}), after=5)
    assert looking.seconds_of("starting") == 0


def test_time_before_and_after_the_worker_is_kept_apart(looking: Looking, key: Key) -> None:
    starting = a_pod(key, phase="Pending", state={"waiting": {"reason": "PodInitializing"}})
    ending = a_pod(key, metadata={"deletionTimestamp": "2026-11-01T12:01:00Z"})
    for pod in (starting, starting, a_pod(key), ending, ending):
        looking.look(pod, after=5)
    looking.look(after=5)
    assert [looking.seconds_of(phase) for phase in ("starting", "running", "ending")] == pytest.approx([15, 5, 10])


def test_a_price_change_never_touches_what_was_billed(looking: Looking, key: Key) -> None:
    looking.look(a_pod(key), after=0)
    looking.look(a_pod(key), after=3600)
    looking.bill.reprice(key, DEAR.model_copy(update={"cpu_core_hour": Decimal("0.5")}))
    looking.look(a_pod(key), after=3600)
    assert looking.cost() == pytest.approx(2 + 1)


def test_without_prices_time_is_told_and_money_is_not(key: Key) -> None:
    looking = Looking(key, prices=None)
    looking.look(a_pod(key), after=0)
    looking.look(a_pod(key), after=10)
    assert (looking.seconds_of("running"), looking.cost()) == (10, 0)


def test_a_gpu_that_the_list_does_not_know_is_not_priced_as_if_it_were_none(looking: Looking, key: Key) -> None:
    pod = a_pod(key, requests={"cpu": "2", "nvidia.com/gpu": "1"})
    looking.look(pod, after=0)
    looking.look(pod, after=10)
    assert (looking.seconds_of("running"), looking.cost()) == (10, 0)


def test_head_and_builds_are_told_apart_from_workers(looking: Looking, key: Key) -> None:
    head, build = a_pod(key, uid="h", segment=""), a_pod(key, uid="b", segment="", role="engines")
    for _ in range(2):
        looking.look(head, build, a_pod(key), after=5)
    assert looking.seconds_of("running", role="head", segment="") == pytest.approx(10)
    assert looking.seconds_of("running", role="engines", segment="") == pytest.approx(10)
    assert looking.seconds_of("running") == pytest.approx(10)


def test_a_resource_that_is_gone_is_billed_until_its_last_pod_is_and_then_forgotten(looking: Looking, key: Key) -> None:
    looking.look(a_pod(key), after=0)
    looking.bill.forget(key)
    looking.look(a_pod(key), after=1800)
    assert looking.cost() == pytest.approx(1)
    looking.look(after=5)
    assert f'name="{key.name}"' not in metrics.exposition().decode()


def test_a_resource_that_comes_back_under_its_name_is_billed_again(looking: Looking, key: Key) -> None:
    looking.bill.forget(key)
    looking.bill.reprice(key, DEAR)
    looking.look(a_pod(key), after=0)
    looking.look(a_pod(key), after=1800)
    assert looking.cost() == pytest.approx(1)


def test_a_clock_that_is_set_back_takes_nothing_away(looking: Looking, key: Key) -> None:
    looking.look(a_pod(key), after=10)
    looking.bill.look([a_pod(key)], now=BEGAN - timedelta(hours=1), ticks=1000 + 15)
    looking.bill.look([a_pod(key), a_pod(key, uid="new", started=12)], now=BEGAN - timedelta(hours=1), ticks=1000 + 20)
    looking.bill.look([], now=BEGAN - timedelta(hours=1), ticks=1000 + 25)
    assert looking.seconds_of("running") == pytest.approx(25 + 5)


def test_whatever_comes_and_goes_the_bill_is_the_sum_of_all_stays(looking: Looking, key: Key) -> None:
    rng = random.Random(6)
    stays = {f"u{number}": sorted(rng.uniform(0, 600) for _ in range(2)) for number in range(40)}
    for moment in range(0, 610, 5):
        there = [a_pod(key, uid=uid, started=start) for uid, (start, end) in stays.items() if start <= moment <= end]
        looking.look(*there, after=0 if moment == 0 else 5)
    seen = {uid: stay for uid, stay in stays.items() if stay[1] // 5 > stay[0] // 5 or stay[0] % 5 == 0}
    billed, true = looking.seconds_of("running"), sum(end - start for start, end in seen.values())
    assert true <= billed <= true + 5 * len(seen), "at most one look too long each"
