"""Under load: killed replicas, drains, scaling to nothing and back, changes of every kind. No client may notice."""

import copy
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from e2e import load, served

pytestmark = pytest.mark.timeout(900)
Documents = list[dict[str, Any]]


def _spec(documents: Documents) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == "HybridDiffusion")["spec"]


def _changed(documents: Documents, change: Callable[[dict[str, Any]], None]) -> Documents:
    changed = copy.deepcopy(documents)
    change(_spec(changed))
    return changed


def _assert_nobody_noticed(outcome: load.Outcome, *, at_least: int) -> None:
    assert outcome.failures == []
    assert outcome.changed == []
    assert outcome.answered >= at_least


def test_a_killed_replica_costs_no_picture(service: served.Served, expected: dict[load.Ask, str]) -> None:
    with load.under_load(service.client, expected=expected) as outcome:
        served.eventually(lambda: outcome.answered >= 6, what="the load runs")
        victim = service.running("large")[0]
        assert victim.pid
        os.kill(victim.pid, signal.SIGKILL)
        served.eventually(
            lambda: len(service.running("large")) == 2 and victim.id not in {r.id for r in service.running("large")},
            what="the killed replica is replaced",
        )
        seen = outcome.answered
        served.eventually(lambda: outcome.answered >= seen + 12, what="the load goes on")
    _assert_nobody_noticed(outcome, at_least=18)


def test_a_drained_replica_gives_its_work_back(
    service: served.Served, documents: Documents, expected: dict[load.Ask, str]
) -> None:
    def one_large(spec: dict[str, Any]) -> None:
        spec["segments"][0]["workers"] = {"replicas": 1}

    # Enough clients that a replica has work for longer than the second in which it learns that it drains.
    with load.under_load(service.client, expected=expected, clients=24) as outcome:
        served.eventually(lambda: outcome.answered >= 24, what="the load runs")
        service.apply(_changed(documents, one_large))
        served.eventually(lambda: len(service.replicas("large")) == 1, what="one replica is gone")
        service.apply(documents)
        served.eventually(lambda: len(service.running("large")) == 2, what="it is back")
    _assert_nobody_noticed(outcome, at_least=24)
    handed_over = re.findall(r"Handed (\d+) images over, (\d+) engine calls", service.logs("large"))
    assert any(int(images) > 0 for images, _ in handed_over)
    assert all(int(calls) <= 2 for _, calls in handed_over)


def test_a_tunable_change_restarts_nobody_and_acts(
    service: served.Served, documents: Documents, expected: dict[load.Ask, str]
) -> None:
    def three_steps(spec: dict[str, Any]) -> None:
        spec["requests"]["defaults"]["steps"] = 3

    before = {replica.actor_id for name in ("Ingress", "large", "small") for replica in service.running(name)}
    with load.under_load(service.client, expected=expected) as outcome:
        service.apply(_changed(documents, three_steps))

        def acts() -> bool:
            answer = service.client().images.generate(prompt=load.PROMPTS[0]).model_dump()
            return bool(answer["hybrid"]["steps"] == 3)

        served.eventually(acts, seconds=15, what="the default of the request's steps is 3")
        served.eventually(lambda: outcome.answered >= 6, what="the load runs")
    after = {replica.actor_id for name in ("Ingress", "large", "small") for replica in service.running(name)}
    assert after == before
    _assert_nobody_noticed(outcome, at_least=6)
    service.apply(documents)


def test_a_fixed_change_rolls_through_without_a_gap(
    service: served.Served, documents: Documents, expected: dict[load.Ask, str]
) -> None:
    def smaller_batches(spec: dict[str, Any]) -> None:
        spec["segments"][0]["engine"]["batchSizes"] = [1, 2, 4, 8]

    # Once without load, so that the engines are at hand: how long they take to compile is not what is tested.
    for each in (_changed(documents, smaller_batches), documents):
        service.apply(each)
        served.eventually(lambda: len(service.running("large")) == 2, what="both replicas run", seconds=180)
    before = {replica.actor_id for replica in service.running("large")}
    with load.under_load(service.client, expected=expected) as outcome:
        served.eventually(lambda: outcome.answered >= 6, what="the load runs")
        service.apply(_changed(documents, smaller_batches))
        served.eventually(
            lambda: (
                len(service.running("large")) == 2 and before.isdisjoint(r.actor_id for r in service.running("large"))
            ),
            what="every replica is new",
            seconds=180,
        )
        seen = outcome.answered
        served.eventually(lambda: outcome.answered >= seen + 6, what="the load goes on")
    _assert_nobody_noticed(outcome, at_least=12)
    service.apply(documents)


def test_large_scales_to_nothing_and_back(
    service: served.Served, documents: Documents, expected: dict[load.Ask, str]
) -> None:
    def to_zero(spec: dict[str, Any]) -> None:
        spec["segments"][0]["workers"] = {
            "autoscaling": {
                "minReplicas": 0,
                "maxReplicas": 2,
                "targetQueueTime": "100ms",
                "scaleDownDelay": "2s",
                "scaleToZeroDelay": "3s",
            }
        }

    service.apply(_changed(documents, to_zero))
    served.eventually(lambda: service.replicas("large") == [], seconds=120, what="nothing to do, no replica")
    with load.under_load(service.client, expected=expected, clients=8) as outcome:
        served.eventually(lambda: len(service.running("large")) == 2, seconds=120, what="load brings two replicas")
        seen = outcome.answered
        served.eventually(lambda: outcome.answered >= seen + 12, what="the load goes on")
    _assert_nobody_noticed(outcome, at_least=12)
    served.eventually(lambda: service.replicas("large") == [], seconds=120, what="and they go again")
    service.apply(documents)
