"""One Event for each change of a condition, however often the change is told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hybrid_operator import events

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RESOURCE = {
    "apiVersion": "hybriddiffusion.io/v1alpha1",
    "kind": "HybridDiffusion",
    "metadata": {"name": "shapes", "namespace": "default", "uid": "u", "resourceVersion": "7"},
}


def an_event(type_: str = "Ready", status: str = "True", reason: str = "Serving", **about: Any) -> dict[str, Any]:
    condition = {"type": type_, "status": status, "reason": reason, "message": "It serves."}
    resource = {**RESOURCE, "metadata": {**RESOURCE["metadata"], **about}}
    return events.of_change(condition, about=resource, identity="pod", now=NOW)


def test_a_repeat_of_the_same_change_has_the_same_name() -> None:
    assert an_event()["metadata"]["name"] == an_event()["metadata"]["name"]
    assert an_event()["metadata"]["name"] != an_event(resourceVersion="8")["metadata"]["name"]
    assert an_event()["metadata"]["name"] != an_event(reason="ScaledToZero")["metadata"]["name"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("Ready", "True", "Serving"), "Normal"),
        (("Ready", "False", "RolledBack"), "Warning"),
        (("Ready", "False", "Starting"), "Normal"),
        (("Available", "False", "NotAnswering"), "Warning"),
        (("Available", "False", "Suspended"), "Normal"),
        (("Reconciling", "True", "Starting"), "Normal"),
        (("Stalled", "True", "NameTaken"), "Warning"),
        (("Stalled", "False", "Progressing"), "Normal"),
    ],
)
def test_only_what_somebody_should_look_at_is_a_warning(change: tuple[str, str, str], expected: str) -> None:
    assert an_event(*change)["type"] == expected


def test_it_is_about_the_resource_in_the_form_of_the_api() -> None:
    event = an_event()
    assert event["regarding"]["uid"] == "u"
    assert event["reason"] == "Serving"
    assert event["action"] == "Ready"
    assert event["eventTime"] == "2026-11-01T12:00:00.000000Z"


def test_conditions_that_turn_for_one_cause_are_told_once_by_the_first() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "RolledBack", "message": "No such image."}
    reconciling = {"type": "Reconciling", "status": "False", "reason": "RolledBack", "message": "Nothing is under way."}
    prices = {"type": "PricesResolved", "status": "False", "reason": "PriceListMissing", "message": "Not found."}
    assert events.worth_telling([ready, reconciling, prices]) == [ready, prices]
    assert events.worth_telling([]) == []
