"""Health is judged by what was done last: a process that only breathes is not healthy."""

from typing import Any

from hybrid_operator.health import Health


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_leader(clock: Clock, *, waited: float = 0.0, **facts: Any) -> Health:
    health = Health(resync_seconds=120, lease_asked_at=lambda: clock.now, clock=clock)
    health.leads(lambda: waited)
    return health


def test_a_candidate_is_healthy_and_ready_as_long_as_the_api_server_answers() -> None:
    clock = Clock()
    candidate = Health(resync_seconds=120, lease_asked_at=lambda: 0.0, clock=clock)
    assert (candidate.why_dead(), candidate.why_unready()) == (None, None)
    clock.now = 61
    assert candidate.why_dead() is None
    assert candidate.why_unready()


def test_a_leader_is_ready_once_it_has_compared() -> None:
    clock = Clock()
    leader = a_leader(clock)
    assert leader.why_unready()
    assert leader.why_dead() is None
    leader.resynced(missed=0)
    assert leader.why_unready() is None


def test_a_resource_that_waits_for_minutes_calls_for_a_restart() -> None:
    leader = a_leader(Clock(), waited=301)
    leader.resynced(missed=0)
    assert leader.why_dead()


def test_a_watch_that_misses_once_is_unready_and_twice_in_a_row_dead() -> None:
    leader = a_leader(Clock())
    leader.resynced(missed=3)
    assert leader.why_unready()
    assert leader.why_dead() is None
    leader.resynced(missed=0)
    leader.resynced(missed=1)
    assert leader.why_dead() is None
    leader.resynced(missed=1)
    assert leader.why_dead()


def test_a_comparison_that_never_ends_calls_for_a_restart() -> None:
    clock = Clock()
    leader = a_leader(clock)
    clock.now = 659
    assert leader.why_dead() is None
    clock.now = 661
    assert leader.why_dead()


def test_a_new_term_begins_with_a_clean_record() -> None:
    clock = Clock()
    leader = a_leader(clock)
    leader.resynced(missed=1)
    leader.resynced(missed=1)
    clock.now = 5000
    leader.leads(lambda: 0.0)
    assert leader.why_dead() is None
