"""Rollouts on a real API server: what fails is rolled back by name, what stops rests, what is superseded goes."""

from typing import Any

import pytest
from tests.component.operator.player import FakeIngress, Player
from tests.component.operator.world import NAME, World, until

from hybrid_operator import kinds

pytestmark = pytest.mark.component

QUICK = {"drainTime": "0s", "progressDeadline": "4s"}


@pytest.fixture
def ready(world: World, player: Player, operator: Any) -> str:
    """A resource that serves; the name of its revision."""
    world.apply_sample(rollout=QUICK)
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    return world.selected()


def message(world: World, type_: str) -> str:
    conditions = world.resource()["status"]["conditions"]
    return str(next(each["message"] for each in conditions if each["type"] == type_))


def test_a_broken_image_is_rolled_back_in_time_and_named(world: World, ready: str) -> None:
    world.change({"kubeRay": {"image": "example/broken:1"}})
    until(lambda: world.condition("Ready") == ("False", "RolledBack"), what="the rollback", seconds=30)
    assert world.condition("Available") == ("True", "Answering")
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert world.selected() == ready
    assert 'Back-off pulling image "example/broken:1"' in message(world, "Ready")
    rejected = world.resource()["status"]["revisions"]["rejected"]
    assert rejected["reason"] == "ImagePullFailed"
    until(lambda: world.revisions() == {ready}, what="the broken revision gone")


def test_an_application_that_fails_is_rolled_back_at_once_and_can_be_retried(
    world: World, player: Player, ready: str
) -> None:
    world.change({"rollout": {**QUICK, "progressDeadline": "10m"}, "kubeRay": {"image": "example/serving:2"}})
    (new,) = until(lambda: world.revisions() - {ready}, what="the new revision")
    player.failing[new] = "Traceback (most recent call last):\n  File x\nEngineMissing: no engine of `large`.\n"
    until(lambda: world.condition("Ready") == ("False", "RolledBack"), what="the rollback")
    assert "EngineMissing: no engine of `large`." in message(world, "Stalled")
    until(lambda: world.revisions() == {ready}, what="the failed revision gone")
    player.failing.clear()
    annotation = {"metadata": {"annotations": {"hybriddiffusion.io/retry": "1"}}}
    world.patch(kinds.HYBRID_DIFFUSION, NAME, annotation)
    until(lambda: world.selected() == new, what="the second attempt")
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    assert "rejected" not in world.resource()["status"]["revisions"]


def test_a_revision_that_runs_and_does_not_draw_gets_no_traffic(world: World, ingress: FakeIngress, ready: str) -> None:
    ingress.draws = False
    world.change({"kubeRay": {"image": "example/serving:2"}})
    until(lambda: world.condition("Ready") == ("False", "RolledBack"), what="the rollback")
    assert world.selected() == ready
    assert "the engine is broken" in message(world, "Ready")


def test_hold_leaves_the_failed_revision_to_be_looked_at(world: World, ready: str) -> None:
    world.change({"rollout": {**QUICK, "onFailure": "Hold"}, "kubeRay": {"image": "example/broken:1"}})
    until(lambda: world.condition("Stalled") == ("True", "ImagePullFailed"), what="stalled")
    assert len(world.revisions()) == 2
    assert world.selected() == ready


def test_going_back_while_the_new_revision_starts_leaves_what_served(world: World, ready: str) -> None:
    before = world.get(kinds.RAY_SERVICE, f"{NAME}-{ready}")["metadata"]["uid"]
    world.change({"kubeRay": {"image": "example/broken:1"}})
    until(lambda: len(world.revisions()) == 2, what="the new revision")
    world.change({"kubeRay": {"image": None}})
    until(lambda: world.revisions() == {ready}, what="the new revision gone")
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    assert world.get(kinds.RAY_SERVICE, f"{NAME}-{ready}")["metadata"]["uid"] == before


def test_a_third_revision_takes_over_from_the_first_and_the_second_goes(world: World, ready: str) -> None:
    world.change({"kubeRay": {"image": "example/broken:1"}})
    (second,) = until(lambda: world.revisions() - {ready}, what="the second revision")
    world.change({"kubeRay": {"image": "example/serving:3"}})
    until(lambda: world.selected() not in (ready, second), what="the third revision serving")
    until(lambda: world.revisions() == {world.selected()}, what="the others gone")


def test_an_old_revision_with_requests_in_flight_is_kept_until_they_are_answered(
    world: World, ingress: FakeIngress, ready: str
) -> None:
    ingress.in_flight = 3
    world.change({"rollout": {**QUICK, "drainTime": "10m"}, "kubeRay": {"image": "example/serving:2"}})
    until(lambda: world.selected() != ready, what="the new revision serving")
    until(lambda: world.condition("Reconciling") == ("True", "Draining"), what="draining")
    assert ready in world.revisions()
    assert world.condition("Ready") == ("True", "Serving")
    ingress.in_flight = 0
    until(lambda: world.revisions() == {world.selected()}, what="the old revision gone")
    until(lambda: world.condition("Reconciling") == ("False", "Settled"), what="settled")


@pytest.mark.parametrize("stop", [{"suspend": True}, {"replicas": 0}], ids=["suspend", "scale to nothing"])
def test_what_is_stopped_rests_and_comes_back_as_it_was(
    world: World, player: Player, operator: Any, stop: dict[str, Any]
) -> None:
    segments = world.sample()[0]["spec"]["segments"]
    segments[0]["workers"] = {"replicas": 1}
    world.apply_sample(rollout=QUICK, segments=segments)
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    serving = world.selected()
    world.change(stop)
    until(lambda: not world.revisions(), what="nothing running")
    reason = "Suspended" if "suspend" in stop else "NoReplicas"
    until(lambda: world.condition("Available") == ("False", reason), what="the reason")
    assert world.condition("Stalled")[0] == world.condition("Reconciling")[0] == "False"
    assert world.selected() == serving
    assert world.find(kinds.SECRET, f"{NAME}-probe")
    world.change({"suspend": False, "replicas": 1 if "replicas" in stop else None})
    until(lambda: world.condition("Ready")[0] == "True", what="Ready again")
    assert world.revisions() == {serving}


def test_a_new_operator_goes_on_where_the_old_one_was_in_the_middle_of_it(
    world: World, player: Player, start_operator: Any
) -> None:
    first = start_operator()
    world.apply_sample(rollout=QUICK)
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    old = world.selected()
    player.is_away = True
    world.change({"rollout": {**QUICK, "progressDeadline": "10m"}, "kubeRay": {"image": "example/serving:2"}})
    until(lambda: len(world.revisions()) == 2, what="the new revision")
    first.stop()
    player.is_away = False
    start_operator()
    until(lambda: world.revisions() == {world.selected()} != {old}, what="the rollout")
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
