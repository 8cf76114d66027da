"""Conditions: what each phase says, and that the first cause found is the one that is told."""

from typing import Any

import pytest

from hybrid_operator import status
from hybrid_operator.observed import Answer, Failure, Revision, Stage, Verdict
from hybrid_operator.rollout import Phase, Plan

PASSED, FAILED = Answer(verdict=Verdict.PASSED), Answer(verdict=Verdict.FAILED, message="status 503")
CAUSE = Failure("ImagePullFailed", "Pod `x`: no such image")


def said(**facts: Any) -> dict[str, tuple[str, str]]:
    """Status and reason by type."""
    return {each.type: (each.status, each.reason) for each in status.conditions(the_facts(**facts))}


def message(type_: str, **facts: Any) -> str:
    return next(each.message for each in status.conditions(the_facts(**facts)) if each.type == type_)


def the_facts(**changes: Any) -> status.Facts:
    given = {"plan": a_plan(), "wanted": Revision(name="b"), "health": PASSED, "proof": PASSED}
    more = {"builds_engines": False, "is_priced": True, "prices": None}
    return status.Facts(**{**given, **more, **changes})


def a_plan(phase: Phase = Phase.SETTLED, **more: Any) -> Plan:
    return Plan(actions=(), phase=phase, **{"serving": "b", **more})


def test_all_six_conditions_are_known_from_first_sight() -> None:
    types = {"Available", "Ready", "Reconciling", "Stalled", "EnginesReady", "PricesResolved"}
    assert set(said(plan=a_plan(Phase.STARTING, serving=""), health=Answer(), proof=Answer())) == types
    assert {each.type for each in status.unreadable("`spec`: found nothing.")} == types


def test_a_settled_service_is_ready() -> None:
    assert said() == {
        "Available": ("True", "Answering"),
        "Ready": ("True", "Serving"),
        "Reconciling": ("False", "Settled"),
        "Stalled": ("False", "Progressing"),
        "EnginesReady": ("True", "BuiltByWorkers"),
        "PricesResolved": ("True", "Resolved"),
    }


def test_rolled_back_is_not_ready_and_still_available() -> None:
    found = said(plan=a_plan(Phase.ROLLED_BACK, serving="a", failure=CAUSE))
    assert found["Ready"] == ("False", "RolledBack")
    assert found["Stalled"] == ("True", "RolledBack")
    assert found["Available"] == ("True", "Answering")
    assert found["Reconciling"][0] == "False"
    text = message("Ready", plan=a_plan(Phase.ROLLED_BACK, serving="a", failure=CAUSE))
    assert "no such image" in text


def test_engines_that_failed_stay_so_after_rolling_back_though_their_jobs_are_gone() -> None:
    failed = Failure("EngineBuildFailed", "Job `b`: out of memory")
    rolled_back = a_plan(Phase.ROLLED_BACK, serving="a", failure=failed)
    assert said(plan=rolled_back, builds_engines=True)["EnginesReady"] == ("False", "BuildFailed")
    assert "out of memory" in message("EnginesReady", plan=rolled_back, builds_engines=True)
    other = a_plan(Phase.ROLLED_BACK, serving="a", failure=CAUSE)
    assert said(plan=other, builds_engines=True)["EnginesReady"] == ("Unknown", "NotBuiltYet")


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.STARTING, Phase.PROBING])
def test_a_rollout_under_way_is_reconciling_and_says_which_revision(phase: Phase) -> None:
    found = said(plan=a_plan(phase, serving="a", updating="b"))
    assert found["Ready"] == ("False", phase.value)
    assert found["Reconciling"] == ("True", phase.value)
    assert found["Available"] == ("True", "Answering")
    assert "`b`" in message("Reconciling", plan=a_plan(phase, serving="a", updating="b"))


def test_draining_the_old_revision_is_ready_already() -> None:
    found = said(plan=a_plan(Phase.DRAINING))
    assert found["Ready"] == ("True", "Serving")
    assert found["Reconciling"] == ("True", "Draining")


def test_a_start_that_takes_long_tells_what_it_waits_for() -> None:
    wanted = Revision(name="b", trouble=Failure("Unschedulable", "Pod `x`: no node"))
    assert "no node" in message("Ready", plan=a_plan(Phase.STARTING, updating="b"), wanted=wanted)


DEPLOYING = {"plan": a_plan(Phase.STARTING), "wanted": Revision(name="b", service=Stage.DEPLOYING)}


def test_what_serves_stays_ready_while_it_is_changed_or_scaled() -> None:
    found = said(**DEPLOYING)
    assert found["Ready"] == ("True", "Serving")
    assert found["Reconciling"] == ("True", "Starting")
    assert message("Reconciling", **DEPLOYING) == "Revision `b` serves, and is being changed or scaled."


@pytest.mark.parametrize(
    "but",
    [
        {"proof": Answer()},  # it comes back from a pause
        {"proof": FAILED},
        {"health": FAILED},
        {"wanted": Revision(name="b", service=Stage.STARTING)},  # Ray calls it unhealthy, or says nothing
        {"plan": a_plan(Phase.STARTING, serving="a", updating="b")},
    ],
)
def test_what_is_changed_and_does_not_draw_or_serve_is_not_ready(but: dict[str, Any]) -> None:
    assert said(**{**DEPLOYING, **but})["Ready"][0] == "False"


def test_held_is_stalled_with_its_cause_and_not_reconciling() -> None:
    found = said(plan=a_plan(Phase.HELD, serving="", failure=CAUSE))
    assert found["Stalled"] == ("True", "ImagePullFailed")
    assert found["Ready"] == ("False", "ImagePullFailed")
    assert found["Reconciling"][0] == "False"
    assert found["Available"] == ("False", "NothingServes")


def test_a_service_that_does_not_answer_is_neither_available_nor_ready() -> None:
    found = said(health=FAILED)
    assert found["Available"] == ("False", "NotAnswering")
    assert found["Ready"] == ("False", "NotAnswering")
    assert "status 503" in message("Available", health=FAILED)


def test_a_service_not_asked_yet_is_unknown() -> None:
    assert said(health=Answer())["Available"] == ("Unknown", "NotAskedYet")


def test_a_service_that_answers_and_does_not_draw_is_available_only() -> None:
    found = said(proof=FAILED)
    assert found["Available"][0] == "True"
    assert found["Ready"] == ("False", "ProbeFailed")


def test_ready_waits_for_a_picture_unless_that_would_wake_a_worker() -> None:
    assert said(proof=Answer())["Ready"] == ("False", "Probing")
    assert said(proof=Answer(), is_at_zero=True)["Ready"] == ("True", "ScaledToZero")


def test_suspended_and_scaled_to_nothing_are_steady_with_their_own_reasons() -> None:
    assert said(plan=a_plan(Phase.SUSPENDED))["Ready"] == ("False", "Suspended")
    found = said(plan=a_plan(Phase.SUSPENDED), is_scaled_to_nothing=True)
    assert found["Ready"] == found["Available"] == ("False", "NoReplicas")
    assert found["Reconciling"] == ("False", "Suspended")
    assert found["Stalled"][0] == "False"


def test_an_obstacle_stalls_and_leaves_availability_alone() -> None:
    found = said(obstacle=Failure("NameTaken", "Found Service `x`, which is not owned."))
    assert found["Stalled"] == ("True", "NameTaken")
    assert found["Ready"] == ("False", "NameTaken")
    assert found["Available"] == ("True", "Answering")


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("is_current", [False, True])
def test_what_is_stalled_is_never_reconciling(phase: Phase, is_current: bool) -> None:
    failure = CAUSE if phase in (Phase.HELD, Phase.ROLLED_BACK) else None
    obstacle = Failure("KindMissing", "The API server has no kind `RayService`.")
    found = said(plan=a_plan(phase, failure=failure), obstacle=obstacle, is_current=is_current)
    assert (found["Stalled"][0], found["Reconciling"][0]) == ("True", "False")
    if phase is Phase.STARTING:
        assert found["Reconciling"][1] == "KindMissing"


def test_what_is_done_without_is_told_and_stalls_nothing() -> None:
    found = said(lacking=Failure("PodMonitorMissing", "no kind `PodMonitor`"))
    assert found["Stalled"] == ("False", "PodMonitorMissing")
    assert found["Ready"] == ("True", "Serving")


def test_prices_that_cannot_be_resolved_make_nothing_unready() -> None:
    found = said(prices=Failure("PriceListMissing", "Found no ConfigMap `prices`."))
    assert found["PricesResolved"] == ("False", "PriceListMissing")
    assert found["Ready"] == ("True", "Serving")
    assert said(is_priced=False)["PricesResolved"] == ("True", "NotPriced")


def test_tunables_on_their_way_are_reconciling() -> None:
    assert said(is_current=False)["Reconciling"] == ("True", "Applying")


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.ABSENT, ("Unknown", "NotBuiltYet")),
        (Stage.STARTING, ("False", "Building")),
        (Stage.FAILED, ("False", "BuildFailed")),
        (Stage.DONE, ("True", "Built")),
    ],
)
def test_engines_are_ready_when_their_jobs_are_done(stage: Stage, expected: tuple[str, str]) -> None:
    wanted = Revision(name="b", engines=stage, failure=CAUSE if stage is Stage.FAILED else None)
    assert said(builds_engines=True, wanted=wanted)["EnginesReady"] == expected


def test_every_condition_has_a_reason_and_a_sentence() -> None:
    for phase in Phase:
        failure = CAUSE if phase in (Phase.HELD, Phase.ROLLED_BACK) else None
        for each in status.conditions(the_facts(plan=a_plan(phase, failure=failure))):
            assert each.reason.isalnum()
            assert each.reason[0].isupper()
            assert each.message.strip()


def test_prices_say_where_they_come_from() -> None:
    assert said()["PricesResolved"] == ("True", "Resolved")
    assert said(is_priced=False)["PricesResolved"] == ("True", "NotPriced")
    assert said(is_priced=False, has_default_prices=True)["PricesResolved"] == ("True", "Default")
    failure = Failure("PriceMissing", "No price for a GPU.")
    assert said(prices=failure)["PricesResolved"] == ("False", "PriceMissing")
