"""What a resource's status says: the six conditions, each with a stable reason and a sentence. Pure.

Messages name causes and never count anything that moves, so that a steady resource's status is never written.
"""

from dataclasses import dataclass

from hybrid_operator.conditions import Condition
from hybrid_operator.observed import BUILD_FAILED, Answer, Failure, Revision, Stage, Verdict
from hybrid_operator.rollout import Phase, Plan

AVAILABLE = "Available"
READY = "Ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that conditions depend on."""

    plan: Plan
    wanted: Revision
    """The revision that the resource asks for."""
    health: Answer
    """What the Service last answered to a shallow probe."""
    proof: Answer
    """What the serving revision last answered to a deep probe."""
    builds_engines: bool
    is_priced: bool
    prices: Failure | None
    """Why the price list cannot be used."""
    obstacle: Failure | None = None
    """What keeps the plan from being carried out: a name taken, a definition or a right missing."""
    lacking: Failure | None = None
    """What is done without."""
    has_default_prices: bool = False
    """Whether the resource names no price list and the installation's is in use."""
    is_current: bool = True
    """Whether Ray has been told the newest tunables."""
    is_scaled_to_nothing: bool = False
    """Whether it is stopped by its number of replicas."""
    is_at_zero: bool = False
    """Whether the first segment has no worker now."""


_DOING: dict[Phase, str] = {
    Phase.BUILDING: "Jobs build the engines of revision `{0}`.",
    Phase.STARTING: "Revision `{0}` starts.",
    Phase.PROBING: "Revision `{0}` runs and is asked for a picture before requests go there.",
    Phase.DRAINING: "Requests go to revision `{0}`; the one before finishes what it has.",
}
_CHANGING = "Revision `{0}` serves, and is being changed or scaled."


def conditions(facts: Facts) -> tuple[Condition, ...]:
    """All conditions, known from first sight."""
    available = _available(facts)
    return (
        available,
        _ready(facts, available),
        _reconciling(facts),
        _stalled(facts),
        _engines_ready(facts),
        _prices_resolved(facts),
    )


def unreadable(message: str) -> tuple[Condition, ...]:
    """All conditions of a resource that cannot be understood; what runs for it is left as it is."""
    said = "InvalidSpec"
    unknown = ("EnginesReady", "PricesResolved", AVAILABLE)
    return (
        Condition(READY, "False", said, message),
        Condition("Reconciling", "False", said, message),
        Condition("Stalled", "True", said, message),
        *(Condition(type_, "Unknown", said, message) for type_ in unknown),
    )


def _available(facts: Facts) -> Condition:
    if facts.plan.phase is Phase.SUSPENDED:
        return _stopped(facts)
    if not facts.plan.serving:
        return Condition(AVAILABLE, "False", "NothingServes", "No revision has been ready yet.")
    match facts.health.verdict:
        case Verdict.PASSED:
            return Condition(AVAILABLE, "True", "Answering", "The service answers.")
        case Verdict.FAILED:
            return Condition(AVAILABLE, "False", "NotAnswering", f"The service does not answer: {facts.health.message}")
        case _:
            return Condition(AVAILABLE, "Unknown", "NotAskedYet", "The service is being asked.")


def _stopped(facts: Facts) -> Condition:
    if facts.is_scaled_to_nothing:
        return Condition(AVAILABLE, "False", "NoReplicas", "`spec.replicas` is 0; scale up to serve again.")
    return Condition(AVAILABLE, "False", "Suspended", "The resource is suspended; set `spec.suspend` to false.")


def _ready(facts: Facts, available: Condition) -> Condition:
    if said := _why_not_rolled_out(facts, available) or _why_not_drawing(facts, available):
        return said
    if facts.is_at_zero:
        return Condition(READY, "True", "ScaledToZero", "The service answers; the next request wakes a worker.")
    return Condition(READY, "True", "Serving", "The service draws pictures.")


def _why_not_rolled_out(facts: Facts, available: Condition) -> Condition | None:
    """What keeps the revision that is asked for from serving."""
    failure, phase = facts.obstacle or facts.plan.failure, facts.plan.phase
    if phase is Phase.SUSPENDED:
        return Condition(READY, "False", available.reason, available.message)
    if phase is Phase.ROLLED_BACK and failure:
        return Condition(READY, "False", phase.value, f"{failure.message} ({failure.reason})")
    if failure:
        return Condition(READY, "False", failure.reason, failure.message)
    if phase not in (Phase.SETTLED, Phase.DRAINING) and not _draws_meanwhile(facts):
        return Condition(READY, "False", phase.value, _doing(facts))
    return None


def _draws_meanwhile(facts: Facts) -> bool:
    """Whether what is under way is only that the serving revision, which draws, is changed or scaled."""
    is_serving = facts.wanted.name == facts.plan.serving
    return is_serving and facts.wanted.service is Stage.DEPLOYING and facts.proof.verdict is Verdict.PASSED


def _why_not_drawing(facts: Facts, available: Condition) -> Condition | None:
    """What keeps the revision that serves from drawing."""
    if available.status != "True":
        return Condition(READY, available.status, available.reason, available.message)
    if facts.proof.verdict is Verdict.FAILED:
        return Condition(READY, "False", "ProbeFailed", f"No picture came out: {facts.proof.message}")
    if facts.proof.verdict is Verdict.NONE and not facts.is_at_zero:
        return Condition(READY, "False", Phase.PROBING.value, "The service answers and is asked for a picture.")
    return None


def _reconciling(facts: Facts) -> Condition:
    phase = facts.plan.phase
    if phase in (Phase.SUSPENDED, Phase.ROLLED_BACK, Phase.HELD):
        return Condition("Reconciling", "False", phase.value, "Nothing is under way.")
    if facts.obstacle and (phase is not Phase.SETTLED or not facts.is_current):
        # Never beside `Stalled`: who reads conditions (kstatus) believes the first that is true.
        return Condition("Reconciling", "False", facts.obstacle.reason, facts.obstacle.message)
    if phase is not Phase.SETTLED:
        return Condition("Reconciling", "True", phase.value, _doing(facts))
    if not facts.is_current:
        return Condition("Reconciling", "True", "Applying", "Changes are being applied to the running replicas.")
    return Condition("Reconciling", "False", phase.value, "All is as desired.")


def _stalled(facts: Facts) -> Condition:
    if failure := facts.obstacle or facts.plan.failure:
        reason = Phase.ROLLED_BACK.value if facts.plan.phase is Phase.ROLLED_BACK else failure.reason
        return Condition("Stalled", "True", reason, failure.message)
    if facts.lacking:
        return Condition("Stalled", "False", facts.lacking.reason, f"Done without: {facts.lacking.message}")
    return Condition("Stalled", "False", "Progressing", "Nothing stands in the way.")


def _engines_ready(facts: Facts) -> Condition:
    type_, wanted = "EnginesReady", facts.wanted
    if not facts.builds_engines:
        return Condition(type_, "True", "BuiltByWorkers", "Each worker builds its engines before it starts.")
    failure = facts.plan.failure
    if facts.plan.phase is Phase.ROLLED_BACK and failure and failure.reason == BUILD_FAILED:
        # Its Jobs went with it, and they are what there is to mend.
        return Condition(type_, "False", "BuildFailed", failure.message)
    match wanted.engines:
        case Stage.DONE:
            return Condition(type_, "True", "Built", f"The engines of revision `{wanted.name}` are in the cache.")
        case Stage.FAILED:
            message = wanted.failure.message if wanted.failure else "A Job failed."
            return Condition(type_, "False", "BuildFailed", message)
        case Stage.ABSENT:
            return Condition(type_, "Unknown", "NotBuiltYet", f"No Job for revision `{wanted.name}` exists yet.")
        case _:
            doing = wanted.trouble.message if wanted.trouble else f"Jobs for revision `{wanted.name}` run."
            return Condition(type_, "False", "Building", doing)


def _prices_resolved(facts: Facts) -> Condition:
    type_ = "PricesResolved"
    if facts.prices:
        return Condition(type_, "False", facts.prices.reason, facts.prices.message)
    if facts.has_default_prices:
        return Condition(type_, "True", "Default", "The resource names no price list; the installation's is in use.")
    if not facts.is_priced:
        return Condition(type_, "True", "NotPriced", "The resource names no price list; engine time is not priced.")
    return Condition(type_, "True", "Resolved", "The price list is in use.")


def _doing(facts: Facts) -> str:
    serves = facts.plan.phase is Phase.STARTING and _draws_meanwhile(facts)
    doing = (_CHANGING if serves else _DOING[facts.plan.phase]).format(facts.wanted.name)
    cause = facts.wanted.trouble
    return f"{doing} {cause.message}" if cause and facts.plan.phase is Phase.STARTING else doing
