"""Decides the next step from what exists to what is desired: revisions come, are proven, take over, drain and go.

Pure. A plan may be carried out in part, late, twice or by another process; the next one starts from what exists then.
The serving revision is never removed before another one serves.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hybrid_operator.observed import Failure, Observed, Rejected, Revision, Stage, Verdict

SETTLE = timedelta(seconds=5)
"""Nodes learn of a changed Service a little later; only after that is an idle revision really out of use."""
_LOOK_AT_DRAIN = timedelta(seconds=2)
_LOOK_AT_PROBE = timedelta(seconds=5)
_AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is desired, as far as the order of steps depends on it."""

    revision: str
    is_suspended: bool = False
    builds_engines: bool = False
    """Whether Jobs build the engines before anything runs."""
    progress_deadline: timedelta
    drain_time: timedelta
    rolls_back: bool = True
    retry: str = ""
    """The annotation that asks for one more attempt at a rejected revision."""


@dataclass(frozen=True, slots=True)
class Record:
    """Keep the revision's rendering, under a number above all others."""

    revision: str
    number: int


@dataclass(frozen=True, slots=True)
class Route:
    """Have the Service select the revision; none at all if empty."""

    revision: str


@dataclass(frozen=True, slots=True)
class Build:
    """Have Jobs for the revision's engines."""

    revision: str


@dataclass(frozen=True, slots=True)
class Run:
    """Have the revision's RayService as it was rendered."""

    revision: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Have the revision draw a picture."""

    revision: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Delete what costs money: the RayService and unfinished Jobs. The rendering stays."""

    revision: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete everything of the revision."""

    revision: str


Action = Record | Route | Build | Run | Probe | Stop | Remove


class Phase(Enum):
    """Where a resource stands; each is a condition's reason."""

    SUSPENDED = "Suspended"
    BUILDING = "BuildingEngines"
    STARTING = "Starting"
    PROBING = "Probing"
    DRAINING = "Draining"
    ROLLED_BACK = "RolledBack"
    HELD = "ProgressDeadlineExceeded"
    SETTLED = "Settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in the order in which they may be taken, and what is then true."""

    actions: tuple[Action, ...]
    phase: Phase
    serving: str = ""
    updating: str = ""
    rejected: Rejected | None = None
    failure: Failure | None = None
    """Why the desired revision does not make it."""
    look_again: timedelta | None = None
    """When to decide anew though nothing is heard."""


def plan(goal: Goal, observed: Observed, *, now: datetime) -> Plan:
    """The next steps towards `goal`."""
    serving = _serving(observed)
    if goal.is_suspended:
        return _suspend(goal, observed, serving=serving)
    rejected = _still_rejected(goal, observed)
    if rejected and rejected.retry != goal.retry and goal.revision != serving:
        return _retry(goal, observed, serving=serving)
    if rejected and goal.rolls_back and _falls_back(goal, observed, serving=serving) and goal.revision != serving:
        return _stay(goal, observed, rejected=rejected, serving=serving, now=now)
    return _advance(goal, observed, serving=serving, now=now)


def keeping(plan: Plan) -> tuple[Action, ...]:
    """Of a plan's steps those that keep what serves and remove what is over, for when nothing new can be made."""
    return tuple(
        each
        for each in plan.actions
        if isinstance(each, Remove) or (isinstance(each, Route | Run) and each.revision == plan.serving)
    )


def soonest(*waits: timedelta | None) -> timedelta | None:
    """The shortest of what is to be waited for; none is negative."""
    return min((max(wait, _AT_ONCE) for wait in waits if wait is not None), default=None)


def _serving(observed: Observed) -> str:
    """Where requests go, or went before somebody took the Service away."""
    known = {each.name for each in observed.revisions if each.has_record or each.service is not Stage.ABSENT}
    return next((name for name in (observed.routed, observed.remembered) if name in known), "")


def _suspend(goal: Goal, observed: Observed, *, serving: str) -> Plan:
    """Nothing runs. What served is kept to come back to, unless the resource has been given another revision since."""
    if serving != goal.revision and not _still_rejected(goal, observed):
        serving = ""
    kept = (serving, goal.revision)
    stops = [Stop(each.name) for each in observed.revisions if each.name in kept and _costs(each)]
    removes = [Remove(each.name) for each in observed.revisions if each.name not in kept]
    return Plan(
        actions=(Route(serving), *stops, *removes),
        phase=Phase.SUSPENDED,
        serving=serving,
        rejected=_still_rejected(goal, observed),
    )


def _costs(revision: Revision) -> bool:
    return revision.service is not Stage.ABSENT or _costs_builds(revision)


def _costs_builds(revision: Revision) -> bool:
    return revision.engines in (Stage.STARTING, Stage.FAILED)


def _falls_back(goal: Goal, observed: Observed, *, serving: str) -> bool:
    """Whether the serving revision works, or comes back from its rendering and costs no other one to wait for it."""
    before, wanted = observed.revision(serving), observed.revision(goal.revision)
    if before.service is Stage.DONE:
        return True
    is_there = wanted.service in (Stage.STARTING, Stage.DEPLOYING, Stage.DONE, Stage.FAILED) or _costs_builds(wanted)
    return serving != "" and before.has_record and not is_there


def _retry(goal: Goal, observed: Observed, *, serving: str) -> Plan:
    """One more attempt at a revision that failed: what is left of the last one goes, and the clock starts anew."""
    wanted = observed.revision(goal.revision)
    stops = (Stop(wanted.name),) if _costs(wanted) else ()
    keeps = (Run(serving),) if serving else ()
    return Plan(
        actions=(Record(wanted.name, _newest(observed) + 1), Route(serving), *keeps, *stops),
        phase=Phase.STARTING,
        serving=serving,
        updating=wanted.name,
        look_again=_AT_ONCE,
    )


def _stay(goal: Goal, observed: Observed, *, rejected: Rejected, serving: str, now: datetime) -> Plan:
    """The desired revision was given up; the serving one is kept as it was."""
    removes, wait = _leave(observed, kept=(serving,), goal=goal, now=now)
    return Plan(
        actions=(Route(serving), Run(serving), *removes),
        phase=Phase.ROLLED_BACK,
        serving=serving,
        rejected=rejected,
        failure=Failure(rejected.reason, rejected.message),
        look_again=wait,
    )


def _advance(goal: Goal, observed: Observed, *, serving: str, now: datetime) -> Plan:
    wanted = observed.revision(goal.revision)
    is_new = wanted.name != serving
    record = _record(wanted, observed)
    # Only a recorded attempt can fail; the clock of an earlier one, long ago, says nothing.
    failure = _failure(wanted, goal, now=now) if is_new and record.number == wanted.number else None
    if failure and goal.rolls_back and observed.revision(serving).service is Stage.DONE:
        return _reject(goal, failure, serving=serving)
    proven = serving if is_new and not _is_proven(wanted) else wanted.name
    removes, wait = _leave(observed, kept=(serving, wanted.name), goal=goal, now=now)
    steps, phase = _steps(wanted, goal, is_new=is_new)
    if phase is Phase.SETTLED and wait is not None:
        phase = Phase.DRAINING
    keeps = (Run(serving),) if serving and is_new else ()
    return Plan(
        actions=(record, Route(proven), *keeps, *steps, *removes),
        phase=Phase.HELD if failure else phase,
        serving=serving,
        updating=wanted.name if is_new else "",
        rejected=_rejected(goal, failure) if failure else None,
        failure=failure,
        look_again=soonest(
            wait,
            _until_deadline(wanted, goal, now=now) if is_new and not failure else None,
            _LOOK_AT_PROBE if phase is Phase.PROBING else None,
        ),
    )


def _reject(goal: Goal, failure: Failure, *, serving: str) -> Plan:
    """Only remembered here: what is to be removed follows from what status says, so nothing is removed unremembered."""
    return Plan(
        actions=(Route(serving), Run(serving)),
        phase=Phase.ROLLED_BACK,
        serving=serving,
        rejected=_rejected(goal, failure),
        failure=failure,
        look_again=_AT_ONCE,
    )


def _rejected(goal: Goal, failure: Failure) -> Rejected:
    return Rejected(goal.revision, failure.reason, failure.message, goal.retry)


def _record(wanted: Revision, observed: Observed) -> Record:
    """The desired revision has the highest number: becoming the desired one is what changes its record."""
    newest = _newest(observed)
    is_newest = wanted.has_record and wanted.number == newest
    return Record(wanted.name, newest if is_newest else newest + 1)


def _newest(observed: Observed) -> int:
    return max((each.number for each in observed.revisions), default=0)


def _steps(wanted: Revision, goal: Goal, *, is_new: bool) -> tuple[tuple[Action, ...], Phase]:
    builds: tuple[Action, ...] = ()
    if goal.builds_engines and wanted.engines is not Stage.DONE:
        builds = (Build(wanted.name),)
        if wanted.service is Stage.ABSENT:
            return builds, Phase.BUILDING
    runs = (*builds, Run(wanted.name))
    if wanted.service is not Stage.DONE:
        return runs, Phase.STARTING
    if not is_new:
        return runs, Phase.SETTLED
    if _is_proven(wanted):
        return runs, Phase.PROBING
    return (*runs, Probe(wanted.name)), Phase.PROBING


def _is_proven(revision: Revision) -> bool:
    return revision.service is Stage.DONE and revision.probe is Verdict.PASSED


def _leave(
    observed: Observed, *, kept: tuple[str, ...], goal: Goal, now: datetime
) -> tuple[tuple[Action, ...], timedelta | None]:
    """Removal of what is no longer needed, and when to look at the rest again."""
    others = [each for each in observed.revisions if each.name not in kept]
    removes = tuple(Remove(each.name) for each in others if _is_idle(each, observed, goal=goal, now=now))
    return removes, (_LOOK_AT_DRAIN if len(removes) < len(others) else None)


def _is_idle(revision: Revision, observed: Observed, *, goal: Goal, now: datetime) -> bool:
    """Whether no request can be lost with it. Any of them may have served until the Service last changed."""
    if revision.service is Stage.ABSENT or observed.routed_at is None:
        return True
    since = now - observed.routed_at
    return since >= SETTLE and (since >= goal.drain_time or revision.in_flight == 0)


def _failure(wanted: Revision, goal: Goal, *, now: datetime) -> Failure | None:
    if wanted.failure:
        return wanted.failure
    left = _until_deadline(wanted, goal, now=now)
    if left is None or left > _AT_ONCE:
        return None
    cause = wanted.trouble or Failure(Phase.HELD.value, "No cause is known; see the pods' logs.")
    waited = f"{goal.progress_deadline.total_seconds():.0f} s"
    return Failure(cause.reason, f"Revision `{wanted.name}` was not ready after {waited}. {cause.message}")


def _until_deadline(wanted: Revision, goal: Goal, *, now: datetime) -> timedelta | None:
    """`None` where time alone fails nothing: what runs is judged by whether it draws, even if nobody looked in time."""
    if wanted.progressed_at is None or (wanted.service is Stage.DONE and wanted.probe is not Verdict.FAILED):
        return None
    return wanted.progressed_at + goal.progress_deadline - now


def _still_rejected(goal: Goal, observed: Observed) -> Rejected | None:
    rejected = observed.rejected
    return rejected if rejected and rejected.revision == goal.revision else None
