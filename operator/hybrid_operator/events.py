"""Kubernetes Events: one for each change of a condition, named after the change so that a repeat is no second one.

Pure; who posts them treats "already exists" as done.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from hybrid_operator.ownership import FIELD_MANAGER

_LONGEST_NOTE = 1024
_QUIET = ("Suspended", "NoReplicas", "NothingServes", "Starting", "BuildingEngines", "Building", "Probing")
"""Reasons that are nobody's fault."""
_GOOD_WHEN_FALSE = ("Reconciling", "Stalled")


def of_change(
    condition: Mapping[str, Any], *, about: Mapping[str, Any], identity: str, now: datetime
) -> dict[str, Any]:
    """The Event that tells of a condition's new status or reason."""
    metadata = about["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{_digest(condition, about)}", "namespace": metadata["namespace"]},
        "regarding": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning" if _is_bad(condition) else "Normal",
        "reason": condition["reason"],
        "action": condition["type"],
        "note": condition["message"][:_LONGEST_NOTE],
        "reportingController": f"hybriddiffusion.io/{FIELD_MANAGER}",
        "reportingInstance": identity[:128],
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def worth_telling(changes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One condition of each reason: where several turn for one cause, the first of them tells it."""
    first: dict[str, Mapping[str, Any]] = {}
    for condition in changes:
        first.setdefault(condition["reason"], condition)
    return list(first.values())


def _is_bad(condition: Mapping[str, Any]) -> bool:
    """Only what somebody should look at: being under way is no harm."""
    if condition["type"] in _GOOD_WHEN_FALSE:
        return bool(condition["type"] == "Stalled" and condition["status"] == "True")
    return bool(condition["status"] == "False" and condition["reason"] not in _QUIET)


def _digest(condition: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Equal for a repeat of the same change: the version is the one that the change was decided upon."""
    change = (condition["type"], condition["status"], condition["reason"], about["metadata"]["resourceVersion"])
    return hashlib.sha256("/".join(change).encode()).hexdigest()[:16]
