"""Conditions as Kubernetes writes them: one of each type, with the time of its last change of status. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]

_LONGEST_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Condition:
    """What is said of one aspect."""

    type: str
    status: Status
    reason: str
    message: str


def merged(
    before: Sequence[Mapping[str, Any]], said: Iterable[Condition], *, generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions to write; the time stays where the status did."""
    known = {each["type"]: each for each in before}
    return [_written(each, known.get(each.type), generation=generation, now=now) for each in said]


def changed(before: Sequence[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The conditions of `after` that have another status or reason than they had."""
    known = {each["type"]: (each["status"], each["reason"]) for each in before}
    return [each for each in after if known.get(each["type"]) != (each["status"], each["reason"])]


def format_time(moment: datetime) -> str:
    """Kubernetes' time format, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _written(
    condition: Condition, before: Mapping[str, Any] | None, *, generation: int, now: datetime
) -> dict[str, Any]:
    is_same = before is not None and before["status"] == condition.status
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message[:_LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before and is_same else format_time(now),
    }
