import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.cloud import autoscale
from hybrid_serving.cloud.autoscale import Demand, decide


@dataclass
class Context:
    """What Serve would tell of one deployment."""

    deployment_name: str
    aggregated_metrics: dict[str, dict[str, float]] | None = None
    target_num_replicas: int = 1
    capacity_adjusted_min_replicas: int = 1
    total_num_requests: float = 0.0
    policy_state: dict[str, Any] = field(default_factory=dict)


def told(*replicas: dict[str, float]) -> dict[str, dict[str, float]]:
    """Statistics of replicas as Serve turns them round."""
    names = {name for replica in replicas for name in replica}
    return {name: {str(index): replica[name] for index, replica in enumerate(replicas)} for name in names}


def a_replica(*, milliseconds: float = 0.0, rows: float = 0.0) -> dict[str, float]:
    return autoscale.replica_statistics(
        outstanding_milliseconds=milliseconds,
        accepted_rows=rows,
        row_milliseconds=10.0,
        queue_target_milliseconds=1000.0,
    )


def replicas(**contexts: Context) -> dict[str, int]:
    return autoscale.policy(contexts)[0]


def test_nothing_to_do_needs_nobody() -> None:
    assert decide(Demand(queue_target_milliseconds=1000.0), current=3) == 0


def test_any_work_needs_somebody_though_its_pace_is_unknown() -> None:
    assert decide(Demand(expected_rows=1), current=0) == 1
    assert decide(Demand(requests=1), current=0) == 1


def test_replicas_share_the_work_down_to_the_target() -> None:
    demand = Demand(outstanding_milliseconds=2500.0, queue_target_milliseconds=1000.0)
    assert decide(demand, current=1) == 3


def test_work_on_its_way_counts_at_the_profiled_pace() -> None:
    demand = Demand(expected_rows=100, row_milliseconds=25.0, queue_target_milliseconds=1000.0)
    assert decide(demand, current=1) == 3


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.floats(1, 1e5))
def test_more_work_never_needs_fewer(less: float, more: float, target: float) -> None:
    less, more = sorted((less, more))
    few, many = (
        decide(Demand(outstanding_milliseconds=work, queue_target_milliseconds=target), current=1)
        for work in (less, more)
    )
    assert few <= many


@pytest.mark.parametrize(("current", "fewest"), [(2, 2), (2, 0), (1, 3)])
def test_the_ingress_follows_its_lower_bound(current: int, fewest: int) -> None:
    ingress = Context("Ingress", target_num_replicas=current, capacity_adjusted_min_replicas=fewest)
    assert replicas(ingress=ingress) == {"ingress": fewest}


def test_each_segment_follows_its_own_work_and_the_ingress_stays() -> None:
    counts = replicas(
        ingress=Context("Ingress", target_num_replicas=2, capacity_adjusted_min_replicas=2),
        large=Context("large", told(a_replica(milliseconds=1500.0), a_replica(milliseconds=2000.0))),
        small=Context("small", told(a_replica())),
    )
    assert counts == {"ingress": 2, "large": 4, "small": 0}


def test_what_the_ingress_promised_and_nobody_took_is_demand() -> None:
    promised = autoscale.ingress_statistics({"large": 100, "small": 150})
    counts = replicas(
        ingress=Context("Ingress", told(promised, promised)),
        large=Context("large", told(a_replica(milliseconds=1000.0, rows=200))),
        small=Context("small", told(a_replica())),
    )
    assert counts["large"] == 1, "all of it is at the replica"
    assert counts["small"] == 3, "300 rows in `large` will come here"


def test_a_segment_at_zero_scales_by_the_pace_that_it_had() -> None:
    busy = {"small": Context("small", told(a_replica(milliseconds=1.0)))}
    _, states = autoscale.policy(busy)
    woken = replicas(
        ingress=Context("Ingress", told(autoscale.ingress_statistics({"small": 300}))),
        small=Context("small", None, target_num_replicas=0, policy_state=states["small"]),
    )
    assert woken["small"] == 3


def test_an_exception_holds_the_last_answer_and_what_was_remembered(caplog) -> None:
    broken = Context("large", {"outstanding_milliseconds": None}, target_num_replicas=4, policy_state={"x": 1})  # type: ignore[dict-item]  # the point
    with caplog.at_level(logging.ERROR):
        counts, states = autoscale.policy({"large": broken})
    assert counts == {"large": 4}
    assert states == {"large": {"x": 1}}
    assert "held" in caplog.text


@pytest.mark.parametrize("metrics", [None, {}, {"outstanding_milliseconds": {}}])
def test_replicas_that_have_not_spoken_yet_are_kept_while_requests_run(metrics) -> None:
    assert replicas(large=Context("large", metrics, target_num_replicas=2, total_num_requests=1.0)) == {"large": 2}
