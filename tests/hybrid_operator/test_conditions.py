"""Conditions in Kubernetes' form: their times, their generations, and which of them changed."""

from datetime import UTC, datetime, timedelta

from hybrid_operator.conditions import Condition, changed, merged

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
READY = Condition("Ready", "True", "Serving", "It serves.")
UNREADY = Condition("Ready", "False", "Probing", "It is asked.")


def test_the_time_is_that_of_the_last_change_of_status() -> None:
    first = merged([], [UNREADY], generation=1, now=NOW)
    other_reason = Condition("Ready", "False", "Starting", "It starts.")
    second = merged(first, [other_reason], generation=2, now=NOW + timedelta(hours=1))
    third = merged(second, [READY], generation=2, now=NOW + timedelta(hours=2))
    assert [each[0]["lastTransitionTime"] for each in (first, second, third)] == [
        "2026-11-01T12:00:00Z",
        "2026-11-01T12:00:00Z",
        "2026-11-01T14:00:00Z",
    ]
    assert [each[0]["observedGeneration"] for each in (first, second, third)] == [1, 2, 2]


def test_a_change_is_another_status_or_reason_but_not_another_message() -> None:
    before = merged([], [READY], generation=1, now=NOW)
    worded = merged(before, [Condition("Ready", "True", "Serving", "Other words.")], generation=1, now=NOW)
    assert changed(before, worded) == []
    assert changed(before, merged(before, [UNREADY], generation=1, now=NOW))
    assert changed([], before) == before


def test_a_long_message_is_cut_to_what_the_schema_allows() -> None:
    long = Condition("Ready", "False", "Refused", "x" * 5000)
    assert len(merged([], [long], generation=1, now=NOW)[0]["message"]) == 1024
