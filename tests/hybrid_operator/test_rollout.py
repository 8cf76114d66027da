"""The order of steps: what is planned from a given state, and laws along every way through a modelled cluster."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_operator import rollout
from hybrid_operator.observed import Failure, Observed, Rejected, Revision, Stage, Verdict
from hybrid_operator.rollout import (
    SETTLE,
    Action,
    Build,
    Goal,
    Phase,
    Plan,
    Probe,
    Record,
    Remove,
    Route,
    Run,
    Stop,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DEADLINE = timedelta(minutes=10)
DRAIN = timedelta(minutes=2)


def a_goal(revision: str = "b", **more: Any) -> Goal:
    return Goal(revision=revision, progress_deadline=DEADLINE, drain_time=DRAIN, **more)


def serving(name: str = "a", number: int = 1, **more: Any) -> Revision:
    return Revision(name=name, number=number, progressed_at=NOW - timedelta(days=1), service=Stage.DONE, **more)


def starting(name: str = "b", number: int = 2, since: timedelta = timedelta(0), **more: Any) -> Revision:
    return Revision(name=name, number=number, progressed_at=NOW - since, **{"service": Stage.STARTING, **more})


def observed(*revisions: Revision, routed: str = "a", **more: Any) -> Observed:
    return Observed(revisions=revisions, routed=routed, routed_at=NOW - timedelta(days=1), **more)


def planned(goal: Goal, seen: Observed, *, now: datetime = NOW) -> Plan:
    return rollout.plan(goal, seen, now=now)


def test_the_first_revision_gets_no_traffic_before_it_has_drawn() -> None:
    plan = planned(a_goal(), Observed())
    assert plan.actions == (Record("b", 1), Route(""), Run("b"))
    running = observed(starting(service=Stage.DONE), routed="")
    assert Route("b") not in planned(a_goal(), running).actions
    assert Probe("b") in planned(a_goal(), running).actions


def test_a_revision_that_drew_gets_the_traffic() -> None:
    drawn = observed(serving(), starting(service=Stage.DONE, probe=Verdict.PASSED))
    plan = planned(a_goal(), drawn)
    assert Route("b") in plan.actions
    assert not any(isinstance(action, Remove | Stop) for action in plan.actions)


def test_engines_are_built_before_anything_runs() -> None:
    plan = planned(a_goal(builds_engines=True), observed(serving(), starting(service=Stage.ABSENT)))
    assert Build("b") in plan.actions
    assert Run("b") not in plan.actions
    assert plan.phase is Phase.BUILDING
    built = observed(serving(), starting(service=Stage.ABSENT, engines=Stage.DONE))
    assert Run("b") in planned(a_goal(builds_engines=True), built).actions


def test_an_engine_job_that_somebody_deleted_is_made_again_while_its_revision_serves() -> None:
    settled = observed(serving("b", 2, engines=Stage.ABSENT), routed="b")
    assert planned(a_goal(builds_engines=True), settled).actions[-3:] == (Route("b"), Build("b"), Run("b"))


def test_the_old_revision_stays_until_it_has_nothing_in_flight() -> None:
    old, new = serving(in_flight=3), serving("b", 2)
    flipped = Observed(revisions=(old, new), routed="b", routed_at=NOW)
    plan = planned(a_goal(), flipped, now=NOW + SETTLE)
    assert plan.phase is Phase.DRAINING
    assert Remove("a") not in plan.actions
    idle = replace(flipped, revisions=(replace(old, in_flight=0), new))
    assert Remove("a") in planned(a_goal(), idle, now=NOW + SETTLE).actions


def test_an_idle_old_revision_stays_until_every_node_has_heard_of_the_new_one() -> None:
    flipped = Observed(revisions=(serving(in_flight=0), serving("b", 2)), routed="b", routed_at=NOW)
    assert Remove("a") not in planned(a_goal(), flipped, now=NOW + SETTLE / 2).actions


def test_no_drain_time_is_so_short_that_nodes_still_send_requests_to_the_old_revision() -> None:
    flipped = Observed(revisions=(serving(in_flight=7), serving("b", 2)), routed="b", routed_at=NOW)
    goal = replace(a_goal(), drain_time=timedelta(0))
    assert Remove("a") not in planned(goal, flipped, now=NOW + SETTLE / 2).actions
    assert Remove("a") in planned(goal, flipped, now=NOW + SETTLE).actions


def test_a_revision_that_cannot_say_what_is_in_flight_goes_when_its_time_is_over() -> None:
    flipped = Observed(revisions=(serving(in_flight=None), serving("b", 2)), routed="b", routed_at=NOW)
    assert Remove("a") not in planned(a_goal(), flipped, now=NOW + DRAIN - timedelta(seconds=1)).actions
    assert Remove("a") in planned(a_goal(), flipped, now=NOW + DRAIN).actions


def test_a_revision_past_its_deadline_is_rejected_with_its_cause_and_not_yet_removed() -> None:
    cause = Failure("ImagePullFailed", "Pod `x`: no such image")
    plan = planned(a_goal(retry="1"), observed(serving(), starting(since=DEADLINE, trouble=cause)))
    assert plan.rejected == Rejected("b", "ImagePullFailed", plan.rejected.message if plan.rejected else "", "1")
    assert plan.failure is not None
    assert "was not ready after 600 s" in plan.failure.message
    assert "no such image" in plan.failure.message
    assert Remove("b") not in plan.actions
    assert plan.look_again == timedelta(0)


def test_a_revision_that_failed_beyond_doubt_is_rejected_at_once() -> None:
    broken = starting(service=Stage.FAILED, failure=Failure("ApplicationFailed", "boom"))
    assert planned(a_goal(), observed(serving(), broken)).phase is Phase.ROLLED_BACK


def test_what_status_says_was_rejected_is_removed_and_the_old_one_kept() -> None:
    rejected = Rejected("b", "ApplicationFailed", "boom")
    plan = planned(a_goal(), observed(serving(), starting(), rejected=rejected))
    assert plan.actions == (Route("a"), Run("a"), Remove("b"))
    assert plan.phase is Phase.ROLLED_BACK
    assert plan.rejected == rejected


def test_a_rejected_revision_is_tried_again_when_the_annotation_changes() -> None:
    rejected = Rejected("b", "ApplicationFailed", "boom", retry="1")
    seen = observed(serving(), rejected=rejected)
    assert Record("b", 2) not in planned(a_goal(retry="1"), seen).actions
    again = planned(a_goal(retry="2"), seen)
    assert Record("b", 2) in again.actions
    assert again.rejected is None


def test_a_revision_that_failed_with_nothing_to_fall_back_to_is_kept_and_can_be_retried() -> None:
    broken = starting(service=Stage.FAILED, failure=Failure("ApplicationFailed", "boom"), number=1)
    plan = planned(a_goal(), observed(broken, routed=""))
    assert plan.phase is Phase.HELD
    assert not any(isinstance(action, Remove | Stop) for action in plan.actions)
    again = planned(a_goal(retry="now"), observed(broken, routed="", rejected=plan.rejected))
    assert again.actions == (Record("b", 2), Route(""), Stop("b"))


def test_a_revision_that_failed_while_the_serving_one_is_down_is_kept_until_that_is_back_and_can_be_retried() -> None:
    down = replace(serving(), service=Stage.STARTING)
    broken = starting(service=Stage.FAILED, failure=Failure("ApplicationFailed", "boom"))
    first = planned(a_goal(), observed(down, broken))
    second = planned(a_goal(), observed(down, broken, rejected=first.rejected))
    assert (first.phase, second.phase) == (Phase.HELD, Phase.HELD)
    assert not any(isinstance(action, Remove | Stop) for action in (*first.actions, *second.actions))
    assert Stop("b") in planned(a_goal(retry="now"), observed(down, broken, rejected=second.rejected)).actions
    assert Remove("b") in planned(a_goal(), observed(serving(), broken, rejected=second.rejected)).actions


def test_what_was_rejected_and_is_gone_does_not_come_back_while_the_serving_one_starts_again() -> None:
    down = replace(serving(), service=Stage.STARTING)
    ending = starting(service=Stage.ENDING)
    rejected = Rejected("b", "ApplicationFailed", "boom")
    for seen in (observed(down, rejected=rejected), observed(down, ending, rejected=rejected)):
        plan = planned(a_goal(), seen)
        assert (plan.phase, plan.rejected) == (Phase.ROLLED_BACK, rejected)
        assert Run("b") not in plan.actions


def test_hold_keeps_a_failed_revision_beside_the_serving_one() -> None:
    broken = starting(service=Stage.FAILED, failure=Failure("ApplicationFailed", "boom"))
    plan = planned(a_goal(rolls_back=False), observed(serving(), broken))
    assert plan.phase is Phase.HELD
    assert {Run("a"), Run("b"), Route("a")} <= set(plan.actions)


def test_a_serving_revision_is_never_rejected_whatever_becomes_of_it() -> None:
    broken = replace(serving("b"), service=Stage.FAILED, failure=Failure("ApplicationFailed", "boom"))
    plan = planned(a_goal(), observed(broken, routed="b"))
    assert plan.rejected is None
    assert Run("b") in plan.actions


def test_while_nothing_new_can_be_made_what_serves_is_kept() -> None:
    plan = planned(a_goal("b"), observed(serving()))
    assert Record("b", 2) in plan.actions
    assert rollout.keeping(plan) == (Route("a"), Run("a"))


def test_while_nothing_new_can_be_made_what_is_over_goes_all_the_same() -> None:
    plan = planned(a_goal("c"), observed(serving(), starting()))
    assert rollout.keeping(plan) == (Route("a"), Run("a"), Remove("b"))


@pytest.mark.parametrize("probe", [Verdict.NONE, Verdict.PASSED])
def test_a_revision_that_runs_is_not_rejected_because_nobody_looked_in_time(probe: Verdict) -> None:
    late = starting(since=2 * DEADLINE, service=Stage.DONE, probe=probe)
    plan = planned(a_goal(), observed(serving(), late))
    assert plan.rejected is None
    assert plan.look_again is None or plan.look_again > timedelta(0), "it is waited for, not looked at without end"
    failed = replace(late, probe=Verdict.FAILED)
    assert planned(a_goal(), observed(serving(), failed)).rejected is not None


def test_suspending_stops_what_costs_money_and_keeps_record_and_route() -> None:
    plan = planned(a_goal("a", is_suspended=True), observed(serving(), starting()))
    assert plan.actions == (Route("a"), Stop("a"), Remove("b"))
    assert plan.phase is Phase.SUSPENDED


def test_a_revision_changed_while_suspended_does_not_bring_the_old_one_back() -> None:
    resting = replace(serving(), service=Stage.ABSENT)
    plan = planned(a_goal("b", is_suspended=True), observed(resting))
    assert plan.actions == (Route(""), Remove("a"))


def test_what_a_rejected_revision_fell_back_to_is_kept_while_suspended() -> None:
    seen = observed(serving(), rejected=Rejected("b", "ApplicationFailed", "boom"))
    assert planned(a_goal("b", is_suspended=True), seen).actions == (Route("a"), Stop("a"))


def test_a_suspended_resource_with_nothing_running_is_left_alone() -> None:
    resting = replace(serving(), service=Stage.ABSENT)
    assert planned(a_goal("a", is_suspended=True), observed(resting)).actions == (Route("a"),)


def test_a_resumed_revision_serves_without_another_proof() -> None:
    resting = replace(serving(), service=Stage.ABSENT)
    assert planned(a_goal("a"), observed(resting)).actions == (Record("a", 1), Route("a"), Run("a"))


def test_a_service_taken_away_is_pointed_where_it_pointed() -> None:
    plan = planned(a_goal("a"), observed(serving(), routed="", remembered="a"))
    assert Route("a") in plan.actions


def test_a_service_bent_to_a_revision_that_does_not_exist_is_bent_back() -> None:
    plan = planned(a_goal("a"), observed(serving(), routed="nonsense", remembered="a"))
    assert Route("a") in plan.actions


def test_a_revision_superseded_on_its_way_goes_at_once() -> None:
    plan = planned(a_goal("c"), observed(serving(), starting("b")))
    assert Remove("b") in plan.actions
    assert {Run("a"), Run("c"), Record("c", 3)} <= set(plan.actions)


def test_going_back_to_a_draining_revision_needs_its_proof_and_drains_the_other() -> None:
    flipped = Observed(revisions=(serving(in_flight=1), serving("b", 2)), routed="b", routed_at=NOW)
    plan = planned(a_goal("a"), flipped)
    assert Record("a", 3) in plan.actions
    assert Probe("a") in plan.actions
    assert Route("b") in plan.actions
    assert not any(isinstance(action, Remove) for action in plan.actions)


def test_a_revision_being_deleted_is_waited_for() -> None:
    plan = planned(a_goal("a"), observed(serving("b", 2), replace(serving(), service=Stage.ENDING), routed="b"))
    assert plan.phase is Phase.STARTING


@pytest.mark.parametrize("since", [timedelta(0), DEADLINE / 2])
def test_a_decision_is_due_when_the_deadline_is(since: timedelta) -> None:
    assert planned(a_goal(), observed(serving(), starting(since=since))).look_again == DEADLINE - since


# Laws, on a modelled cluster that does what a plan says, as far as it gets.


@dataclass
class Cluster:
    """Revisions that come up when the environment lets them."""

    now: datetime = NOW
    revisions: dict[str, Revision] = field(default_factory=dict)
    routed: str = ""
    routed_at: datetime | None = None
    has_service: bool = False
    remembered: str = ""
    rejected: Rejected | None = None
    proven_when_routed: list[bool] = field(default_factory=list)

    def observe(self) -> Observed:
        return Observed(
            revisions=tuple(self.revisions.values()),
            routed=self.routed,
            routed_at=self.routed_at,
            remembered=self.remembered,
            rejected=self.rejected,
        )

    def step(self, goal: Goal, *, at_most: int = 99) -> Plan:
        """Plan, carry the first actions out, and write status only if all were."""
        plan = rollout.plan(goal, self.observe(), now=self.now)
        for action in plan.actions[:at_most]:
            self._take(action, goal)
        if at_most >= len(plan.actions):
            self.rejected, self.remembered = plan.rejected, plan.serving
        return plan

    def _take(self, action: Action, goal: Goal) -> None:  # noqa: C901  (one branch for each action)
        known = self.revisions.get(action.revision, Revision(name=action.revision))
        match action:
            case Record(name, number):
                if known.number != number:
                    self.revisions[name] = replace(known, number=number, progressed_at=self.now)
            case Route(name):
                if not self.has_service or name != self.routed:
                    is_proven = known.service is Stage.DONE and known.probe is Verdict.PASSED
                    self.proven_when_routed.append(not name or is_proven or name == self.remembered)
                    self.has_service, self.routed, self.routed_at = True, name, self.now
            case Build(name):
                if known.engines is Stage.ABSENT:
                    self.revisions[name] = replace(known, engines=Stage.STARTING, progressed_at=self.now)
            case Run(name):
                if known.service is Stage.ABSENT and known.has_record:
                    self.revisions[name] = replace(known, service=Stage.STARTING, progressed_at=self.now)
            case Probe(name):
                self.revisions[name] = replace(known, probe=Verdict.PASSED)
            case Stop(name):
                assert goal.is_suspended or name != self.routed, "stopped what serves"
                kept = Stage.DONE if known.engines is Stage.DONE else Stage.ABSENT
                gone = replace(known, service=Stage.ABSENT, engines=kept, probe=Verdict.NONE, failure=None)
                self.revisions[name] = gone
            case Remove(name):
                assert name != self.routed or known.service is Stage.ABSENT, "removed what serves"
                self.revisions.pop(name, None)

    def bring_up(self) -> None:
        """Let everything that was begun succeed."""
        for name, known in self.revisions.items():
            engines = Stage.DONE if known.engines is Stage.STARTING else known.engines
            service = Stage.DONE if known.service is Stage.STARTING else known.service
            self.revisions[name] = replace(known, engines=engines, service=service, in_flight=0)

    def break_down(self, name: str) -> None:
        """Let a revision that does not serve fail for good."""
        known = self.revisions.get(name)
        if known and known.service is Stage.STARTING:
            self.revisions[name] = replace(known, service=Stage.FAILED, failure=Failure("ApplicationFailed", "boom"))


def goals() -> st.SearchStrategy[Goal]:
    return st.builds(
        a_goal,
        st.sampled_from("abc"),
        is_suspended=st.sampled_from([False, False, False, True]),
        builds_engines=st.booleans(),
        rolls_back=st.booleans(),
        retry=st.sampled_from(["", "1"]),
    )


MOVES = st.one_of(
    st.tuples(st.just("want"), goals()),
    st.tuples(st.just("step"), st.integers(0, 6)),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 60, 200, 700])),
    st.tuples(st.just("bring up"), st.none()),
    st.tuples(st.just("break"), st.sampled_from("abc")),
    st.tuples(st.just("restart"), st.none()),
)


def played(moves: list[tuple[str, Any]], goal: Goal) -> tuple[Cluster, Goal]:
    cluster = Cluster()
    for move, value in moves:
        match move:
            case "want":
                goal = value
            case "step":
                cluster.step(goal, at_most=value)
            case "wait":
                cluster.now += timedelta(seconds=value)
            case "bring up":
                cluster.bring_up()
            case "break":
                cluster.break_down(value)
            case "restart":  # proofs are remembered by the process alone
                cluster.revisions = {
                    name: replace(known, probe=Verdict.NONE) for name, known in cluster.revisions.items()
                }
    return cluster, goal


def settled(cluster: Cluster, goal: Goal) -> Cluster:
    """Follow plans until nothing changes any more, with everything succeeding."""
    quiet = 0
    for _ in range(40):
        cluster.bring_up()
        before = (cluster.observe(), cluster.has_service)
        cluster.step(goal)
        cluster.now += DRAIN
        quiet = quiet + 1 if (cluster.observe(), cluster.has_service) == before else 0
        if quiet == 3:  # nothing was only waiting for its time
            return cluster
    raise AssertionError(f"no fixed point: {cluster}")


@settings(max_examples=400, deadline=None)
@given(st.lists(MOVES, max_size=25), goals())
def test_every_way_leads_to_the_goal_once_nothing_breaks(moves: list[tuple[str, Any]], first: Goal) -> None:
    cluster, goal = played(moves, first)
    seen = settled(cluster, goal)
    end = settled(seen, replace(goal, retry="another"))  # a person looked at what failed, and mended it
    if goal.is_suspended:
        assert all(each.service is Stage.ABSENT for each in end.revisions.values())
    else:
        assert (end.routed, set(end.revisions)) == (goal.revision, {goal.revision})


@settings(max_examples=400, deadline=None)
@given(st.lists(MOVES, max_size=40), goals())
def test_only_proven_revisions_get_traffic_and_what_serves_is_never_removed(
    moves: list[tuple[str, Any]], first: Goal
) -> None:
    cluster, _ = played(moves, first)  # the model itself asserts on removals
    assert all(cluster.proven_when_routed)


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVES, max_size=25), goals())
def test_a_plan_carried_out_and_made_again_changes_nothing(moves: list[tuple[str, Any]], first: Goal) -> None:
    cluster, goal = played(moves, first)
    end = settled(cluster, goal)
    before = end.observe()
    end.step(goal)
    end.step(goal, at_most=2)
    assert end.observe() == before


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.booleans())
def test_there_and_back_is_where_one_began(there: int, back: int, comes_up: bool) -> None:
    cluster = settled(Cluster(), a_goal("a"))
    for goal, steps in ((a_goal("b"), there), (a_goal("a"), back)):
        for _ in range(steps):
            cluster.step(goal)
            cluster.now += timedelta(seconds=1)
            if comes_up:
                cluster.bring_up()
    end = settled(cluster, a_goal("a"))
    assert (end.routed, set(end.revisions)) == ("a", {"a"})


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVES, max_size=25), goals())
def test_a_rejected_revision_stays_away_until_somebody_asks(moves: list[tuple[str, Any]], first: Goal) -> None:
    cluster, goal = played(moves, first)
    is_rejected = cluster.rejected is not None and cluster.rejected.revision == goal.revision
    falls_back = cluster.routed not in ("", goal.revision) and cluster.routed in cluster.revisions
    if not (is_rejected and falls_back and goal.rolls_back and not goal.is_suspended):
        return
    if goal.revision in cluster.revisions and cluster.revisions[cluster.routed].service is not Stage.DONE:
        return  # it is not away, and nothing else is there to be kept in its place
    if cluster.rejected.retry == goal.retry and cluster.revisions[cluster.routed].has_record:
        assert Run(goal.revision) not in cluster.step(goal).actions
