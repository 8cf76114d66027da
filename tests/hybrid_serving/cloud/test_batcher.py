import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hybrid_serving.cloud.batcher import LATE_TURN, Batcher, BatcherError, Job, Turn
from hybrid_serving.cloud.pace import Pace
from hybrid_serving.cloud.program import PREVIEW, BatchKey, Item, Program

STEP = BatchKey("unet", "base", (4, 4, 4))
OTHER = BatchKey("unet", "base", (4, 8, 8))
ENCODE = BatchKey("text-encoder", "base", (8,))
TABLE = {1: 1.0, 2: 1.5, 4: 2.5, 8: 4.5, 16: 8.5}
LINEAR = {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 16.0}
FAR = 1e6


def a_batcher(*, table: dict[int, float] = TABLE, capacity: int = 64) -> Batcher:
    return Batcher({key: Pace(table) for key in (STEP, OTHER, ENCODE)}, capacity=capacity)


def steps(count: int, *, rows: int = 1, key: BatchKey = STEP) -> Program:
    return tuple(Item("step", key, rows, index) for index in range(count))


def enter(batcher: Batcher, program: Program, *, deadline: float = FAR) -> Job:
    job = batcher.add(program, deadline=deadline)
    batcher.admit()
    return job


def pick(batcher: Batcher, now: float = 0.0) -> Turn:
    turn = batcher.pick(now)
    assert turn is not None
    return turn


def test_work_without_items_is_refused() -> None:
    with pytest.raises(BatcherError, match="without items"):
        a_batcher().add((), deadline=FAR)


def test_work_that_no_call_can_hold_is_refused() -> None:
    batcher = Batcher({STEP: Pace({1: 1.0})}, capacity=4)
    with pytest.raises(BatcherError, match="batch size of at least 2"):
        batcher.add(steps(1, rows=2), deadline=FAR)


def test_work_without_an_engine_is_refused() -> None:
    batcher = Batcher({STEP: Pace(TABLE)}, capacity=4)
    with pytest.raises(BatcherError, match="no engine"):
        batcher.add(steps(1, key=OTHER), deadline=FAR)


def test_nothing_to_do_is_no_turn() -> None:
    assert a_batcher().pick(0.0) is None


def test_rows_at_different_steps_share_a_call() -> None:
    batcher = a_batcher()
    first = enter(batcher, steps(5))
    batcher.finish(pick(batcher))
    second = enter(batcher, steps(5))
    turn = pick(batcher)
    assert {job: job.item.index for job in turn.jobs} == {first: 1, second: 0}


def test_the_two_rows_of_a_guided_image_travel_together() -> None:
    batcher = a_batcher(table={1: 1.0, 2: 1.5})
    enter(batcher, steps(1), deadline=10.0)
    guided = enter(batcher, steps(1, rows=2), deadline=20.0)
    first = pick(batcher)
    assert guided not in first.jobs
    assert first.bucket == 1
    batcher.finish(first)
    assert pick(batcher).jobs == (guided,)


def test_keys_do_not_mix() -> None:
    batcher = a_batcher()
    enter(batcher, steps(1), deadline=2.0)
    enter(batcher, steps(1, key=OTHER), deadline=1.0)
    turn = pick(batcher)
    assert turn.key == OTHER
    assert len(turn.jobs) == 1


def test_a_newcomer_is_encoded_within_a_round_though_its_deadline_is_last() -> None:
    batcher = a_batcher()
    enter(batcher, steps(50), deadline=FAR)
    batcher.finish(pick(batcher))
    enter(batcher, (Item("encode", ENCODE, 2), *steps(50)), deadline=2 * FAR)
    turns = []
    for _ in range(2):
        turns.append(pick(batcher))
        batcher.finish(turns[-1])
    assert ENCODE in [turn.key for turn in turns]


def test_a_short_image_overtakes_a_full_house_of_long_ones() -> None:
    batcher = a_batcher(table={1: 1.0, 2: 2.0})
    for _ in range(6):
        enter(batcher, steps(50))
    short = enter(batcher, steps(4))
    turns = 0
    while not short.is_finished:
        batcher.finish(pick(batcher))
        turns += 1
    assert turns <= 4 * 7


def test_an_image_that_cannot_wait_a_round_goes_first() -> None:
    batcher = a_batcher(table={1: 10.0})
    for _ in range(5):
        enter(batcher, steps(10))
    tight = enter(batcher, steps(10), deadline=0.105)
    now = 0.0
    while not tight.is_finished:
        turn = pick(batcher, now)
        assert turn.jobs == (tight,)
        batcher.finish(turn)
        now += 0.010
    assert now <= 0.105


def test_no_row_joins_that_would_make_an_urgent_one_late() -> None:
    batcher = a_batcher(table={1: 10.0, 2: 19.0})
    tight = enter(batcher, steps(1), deadline=0.015)
    enter(batcher, steps(1))
    assert pick(batcher).jobs == (tight,)


def test_rows_join_where_the_urgent_one_stays_on_time() -> None:
    batcher = a_batcher(table={1: 10.0, 2: 14.0})
    enter(batcher, steps(1), deadline=0.015)
    enter(batcher, steps(1))
    assert len(pick(batcher).jobs) == 2


def test_late_work_keeps_a_tenth_of_the_turns() -> None:
    batcher = a_batcher(table={1: 1.0})
    late = enter(batcher, steps(100), deadline=-1.0)
    enter(batcher, steps(1000))
    turns = Counter()
    for _ in range(10 * LATE_TURN):
        turn = pick(batcher)
        turns[turn.jobs[0] is late] += 1
        batcher.finish(turn)
    assert turns[True] == 10


def test_late_work_has_all_turns_where_there_is_no_other() -> None:
    batcher = a_batcher(table={1: 1.0})
    late = enter(batcher, steps(3), deadline=-1.0)
    for _ in range(3):
        batcher.finish(pick(batcher))
    assert late.is_finished


def test_a_newcomer_does_not_get_the_turns_that_late_work_gave_up() -> None:
    batcher = a_batcher(table={1: 1.0})
    enter(batcher, steps(500), deadline=-1.0)
    old = enter(batcher, steps(500))
    for _ in range(100):
        batcher.finish(pick(batcher))
    newcomer = enter(batcher, steps(500))
    for _ in range(20):
        batcher.finish(pick(batcher))
    assert abs(old.done - 90 - newcomer.done) <= 2


def test_previews_come_before_any_engine_call() -> None:
    batcher = a_batcher()
    enter(batcher, steps(3), deadline=1.0)
    waiting = enter(batcher, (Item("preview", PREVIEW, 1), *steps(2)), deadline=FAR)
    turn = pick(batcher)
    assert (turn.key, turn.bucket, turn.jobs) == (PREVIEW, 0, (waiting,))


def test_the_unstarted_rest_of_a_program_may_be_replaced() -> None:
    batcher = a_batcher()
    job = enter(batcher, steps(50))
    batcher.finish(pick(batcher))
    batcher.replace(job, steps(1))
    assert batcher.finish(pick(batcher)) == [job]
    assert batcher.pick(0.0) is None


def test_residents_are_bounded_and_the_urgent_enter_first() -> None:
    batcher = a_batcher(capacity=1)
    running = enter(batcher, steps(1), deadline=FAR)
    relaxed = enter(batcher, steps(1), deadline=3 * FAR)
    urgent = enter(batcher, steps(1), deadline=2 * FAR)
    assert list(batcher.resident) == [running]
    batcher.finish(pick(batcher))
    assert batcher.admit() == [urgent]
    assert list(batcher.waiting) == [relaxed]


def test_the_predicted_wait_is_that_for_a_place() -> None:
    batcher = a_batcher(table={1: 100.0, 2: 100.0})
    assert batcher.predicted_wait(STEP, rows=1) == 0.0
    enter(batcher, steps(3))
    assert batcher.predicted_wait(STEP, rows=1) == 0.0
    enter(batcher, steps(10))
    assert batcher.predicted_wait(STEP, rows=1) == pytest.approx(0.3)
    assert batcher.predicted_wait(OTHER, rows=1) == pytest.approx(13 * 0.05)


def test_outstanding_work_is_rows_at_the_best_pace() -> None:
    batcher = a_batcher(table={1: 10.0, 4: 20.0})
    enter(batcher, steps(3, rows=2))
    assert batcher.outstanding() == pytest.approx(3 * 2 * 5.0)
    batcher.finish(pick(batcher))
    assert batcher.outstanding() == pytest.approx(2 * 2 * 5.0)


programs = st.builds(
    lambda encode, count, rows, key: (
        ((Item("encode", ENCODE, rows),) if encode else ()) + steps(count, rows=rows, key=key)
    ),
    st.booleans(),
    st.integers(1, 12),
    st.integers(1, 2),
    st.sampled_from([STEP, OTHER]),
)


def _overtook(other: Job, job: Job) -> bool:
    """Whether `other` runs before `job` against the order: deadlines first, among those of one round."""
    is_alike = other.round == job.round and other.item.rows >= job.item.rows and min(other.slack, job.slack) >= 0
    return is_alike and job < other and job.slack <= other.slack


class Laws(RuleBasedStateMachine):
    """Work comes, runs and goes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.batcher = a_batcher(capacity=6, table={2: 2.0, 4: 3.5, 8: 7.0})
        self.now = 0.0
        self.ran: dict[Job, list[Item]] = {}
        self.last: Turn | None = None
        self.order: list[Job] = []

    @rule(program=programs, seconds=st.floats(-0.01, 0.5))
    def add(self, program: Program, seconds: float) -> None:
        self.ran[self.batcher.add(program, deadline=self.now + seconds)] = []

    @rule()
    def run(self) -> None:
        self.batcher.admit()
        turn = self.batcher.pick(self.now)
        assert (turn is None) == (not self.batcher.resident)
        if turn is None:
            return
        self._check(turn)
        for job, item in zip(turn.jobs, turn.items, strict=True):
            self.ran[job].append(item)
        for job in self.batcher.finish(turn):
            assert tuple(self.ran[job]) == job.program, "every item once, in order"
        self.now += turn.bucket * 1e-3

    @precondition(lambda self: self.batcher.resident)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.batcher.remove(data.draw(st.sampled_from(list(self.batcher.resident))))

    def _check(self, turn: Turn) -> None:
        assert len(set(turn.jobs)) == len(turn.jobs)
        assert {item.key for item in turn.items} == {turn.key}
        rows = sum(item.rows for item in turn.items)
        assert 0 < rows <= turn.bucket
        for job in self.batcher.resident:
            if job not in turn.jobs and job.item.key == turn.key:
                assert job.item.rows > turn.bucket - rows, "no room is left beside work that waits"
                assert not any(_overtook(other, job) for other in turn.jobs)

    @invariant()
    def residents_are_bounded(self) -> None:
        assert len(self.batcher.resident) <= 6


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.lists(st.tuples(programs, st.floats(-1, 1)), min_size=1, max_size=12))
def test_all_work_ends_while_new_work_keeps_coming(works: list[tuple[Program, float]]) -> None:
    batcher = a_batcher(table=LINEAR, capacity=4)
    jobs = [batcher.add(program, deadline=deadline) for program, deadline in works]
    for turn_number in range(5000):
        if all(job.is_finished for job in jobs):
            return
        batcher.admit()
        turn = pick(batcher, turn_number * 1e-3)
        batcher.finish(turn)
        if len(batcher.waiting) < 2:
            batcher.add(steps(2), deadline=turn_number * 1e-3 + 0.05)
    raise AssertionError("some work starves")


Arrival = tuple[float, int]
"""Seconds, and steps."""


def poisson(*, rate: float, count: int, seed: int) -> list[Arrival]:
    rng = random.Random(seed)
    at, arrivals = 0.0, []
    for _ in range(count):
        at += rng.expovariate(rate)
        arrivals.append((at, rng.choices([4, 25, 50], [60, 30, 10])[0]))
    return arrivals


def played_by_steps(arrivals: list[Arrival], pace: Pace) -> tuple[list[float], float]:
    """Latencies of the short images, and when all was done; in virtual time."""
    batcher = Batcher({STEP: pace}, capacity=256)
    now, coming, short, came = 0.0, list(arrivals), [], {}
    while coming or batcher.resident:
        while coming and coming[0][0] <= now:
            at, count = coming.pop(0)
            came[enter(batcher, steps(count, rows=2), deadline=at + 60.0)] = at
        turn = batcher.pick(now)
        now = coming[0][0] if turn is None else now + pace.milliseconds(turn.bucket) / 1000
        finished = batcher.finish(turn) if turn else []
        short += [now - came[job] for job in finished if len(job.program) == 4]
    return short, now


def played_by_batches(arrivals: list[Arrival], pace: Pace) -> tuple[list[float], float]:
    """The same by static batches that drop finished rows."""
    now, coming, short = 0.0, list(arrivals), []
    while coming:
        now = max(now, coming[0][0])
        batch = [each for each in coming if each[0] <= now][: pace.largest // 2]
        coming = coming[len(batch) :]
        for step in range(1, max(count for _, count in batch) + 1):
            now += pace.alone(2 * sum(count >= step for _, count in batch)) / 1000
            short += [now - at for at, count in batch if count == step == 4]
    return short, now


@pytest.mark.parametrize("table", [{1: 4.1, 2: 6.1, 4: 11.7, 8: 20.7, 16: 33.8}, {1: 10, 2: 11, 4: 13, 8: 17, 16: 25}])
def test_short_images_wait_half_as_long_as_in_static_batches_at_no_cost_in_throughput(table: dict[int, float]) -> None:
    pace = Pace(table)
    _, saturated = played_by_batches([(0.0, count) for _, count in poisson(rate=1.0, count=500, seed=1)], pace)
    arrivals = poisson(rate=0.8 * 500 / saturated, count=500, seed=2)
    ours, ours_end = played_by_steps(arrivals, pace)
    theirs, theirs_end = played_by_batches(arrivals, pace)
    assert 2 * np.percentile(ours, 95) <= np.percentile(theirs, 95)
    assert ours_end <= theirs_end
