import queue
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hybrid_serving.cloud.batcher import BatcherError
from hybrid_serving.cloud.loop import EngineLoop, LoopEnded, QueueFull
from hybrid_serving.protocol import Image, Preview, Released

WAIT = 30.0


class Inbox(queue.Queue[Any]):
    """What a loop delivers, in order."""

    def answer(self) -> Any:
        """The first event that is no preview."""
        while isinstance(event := self.get(timeout=WAIT), Preview):
            pass
        return event


class Gate:
    """Holds the engine before a chosen U-Net call until it is opened."""

    def __init__(self, *, at_call: int) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self._left = at_call

    def __call__(self, network: str, rows: int) -> None:
        if network != "unet":
            return
        self._left -= 1
        if self._left == 0:
            self.reached.set()
            assert self.opened.wait(WAIT)


@pytest.fixture
def a_loop(a_replica):
    """Makes a loop over the stages of a fake replica."""
    loops = []

    def make(**options):
        replica = a_replica(**options)
        loop = EngineLoop(replica.stages)
        loop.start()
        loops.append(loop)
        return loop, replica

    yield make
    for loop in loops:
        loop.close()


def submit(loop, replica, work, **options):
    inbox = Inbox()
    return loop.submit(replica.prepare(work), inbox.put, **options), inbox


def test_a_failing_engine_ends_the_loop_and_fails_everything(a_loop, some_work) -> None:
    def fail(network: str, rows: int) -> None:
        if network == "unet":
            raise RuntimeError("device lost")

    loop, replica = a_loop(before=fail)
    _, inbox = submit(loop, replica, some_work())
    assert isinstance(inbox.answer(), LoopEnded)
    assert str(loop.ending) == "device lost"
    _, late = submit(loop, replica, some_work())
    assert isinstance(late.answer(), LoopEnded)
    with pytest.raises(LoopEnded):
        loop.ask(lambda: None).result(WAIT)


def test_a_picture_that_is_not_finite_fails_alone(a_loop, some_work) -> None:
    loop, replica = a_loop()
    compute = replica.decoder._compute

    def broken(arrays, held):
        decoded = compute(arrays, held)
        decoded[arrays["sample"][:, 0, 0, 0] > 1e6] = np.nan
        return decoded

    replica.decoder._compute = broken
    work = some_work()
    state = replica.prepare(work).state
    bad = replace(work, state=replace(state, position=5, x=np.full_like(state.x, 1e9), history=(state.x,)))
    _, failed = submit(loop, replica, bad)
    _, fine = submit(loop, replica, work)
    assert "not finite" in str(failed.answer())
    assert isinstance(fine.answer(), Image)


def test_a_preview_that_is_not_finite_fails_its_image_alone(a_loop, some_work) -> None:
    loop, replica = a_loop()
    work = some_work(previews=2)
    state = replica.prepare(work).state
    _, failed = submit(loop, replica, replace(work, state=replace(state, x=np.full_like(state.x, np.nan))))
    _, fine = submit(loop, replica, work)
    assert "decoded picture has values that are not finite" in str(failed.answer())
    assert isinstance(fine.get(timeout=WAIT), Preview)
    assert isinstance(fine.answer(), Image)


def test_guided_work_on_an_engine_for_single_rows_is_refused_alone(a_loop, some_work) -> None:
    loop, replica = a_loop(milliseconds={1: 1.0})
    _, guided = submit(loop, replica, some_work(), wait_limit_seconds=10.0)
    _, unguided = submit(loop, replica, some_work(guidance_scale=1.0), wait_limit_seconds=10.0)
    assert isinstance(guided.answer(), BatcherError)
    assert isinstance(unguided.answer(), Image)


def test_a_failing_question_reaches_who_asked_and_nobody_else(a_loop, some_work) -> None:
    loop, replica = a_loop()
    with pytest.raises(ZeroDivisionError):
        loop.ask(lambda: 1 // 0).result(WAIT)
    _, inbox = submit(loop, replica, some_work())
    assert isinstance(inbox.answer(), Image)


def test_new_work_that_would_wait_too_long_is_refused_and_begun_work_never(a_loop, some_work) -> None:
    gate = Gate(at_call=2)
    loop, replica = a_loop(before=gate, milliseconds={1: 1000.0, 2: 1000.0})
    submit(loop, replica, some_work(steps=50))
    assert gate.reached.wait(WAIT)
    _, refused = submit(loop, replica, some_work(), wait_limit_seconds=10.0)
    state = replica.prepare(some_work()).state
    _, begun = submit(loop, replica, some_work(state=state, steps=2, stop=0), wait_limit_seconds=10.0)
    gate.opened.set()
    answer = refused.answer()
    assert isinstance(answer, QueueFull)
    assert answer.wait_seconds > 10.0
    assert isinstance(begun.answer(), Released)


def test_the_running_step_is_the_last_of_cancelled_work(a_loop, some_work) -> None:
    gate = Gate(at_call=3)
    loop, replica = a_loop(before=gate)
    ticket, inbox = submit(loop, replica, some_work(steps=50, guidance_scale=1.0))
    assert gate.reached.wait(WAIT)
    loop.cancel(ticket)
    gate.opened.set()
    clocks = loop.ask(loop.clocks).result(WAIT)
    loop.ask(lambda: None).result(WAIT)
    assert len(replica.unet.calls) == 3
    assert inbox.empty()
    assert not replica.unet.held, "the engine keeps nothing of it"
    assert clocks.books.vain_nanoseconds["", "cancelled"] > 0


def test_cancelling_twice_or_late_does_no_harm(a_loop, some_work) -> None:
    loop, replica = a_loop()
    ticket, inbox = submit(loop, replica, some_work())
    assert isinstance(inbox.answer(), Image)
    loop.cancel(ticket)
    loop.cancel(ticket)
    _, again = submit(loop, replica, some_work())
    assert isinstance(again.answer(), Image)


def test_a_drain_releases_everything_at_the_next_boundary_and_all_that_comes(a_loop, some_work) -> None:
    gate = Gate(at_call=3)
    loop, replica = a_loop(before=gate, capacity=1)
    _, running = submit(loop, replica, some_work(steps=50))
    _, waiting = submit(loop, replica, some_work(steps=50, prompt="a text that nobody has encoded"))
    assert gate.reached.wait(WAIT)
    loop.drain()
    gate.opened.set()
    released = [inbox.answer() for inbox in (running, waiting)]
    _, newcomer = submit(loop, replica, some_work(steps=50))
    released.append(newcomer.answer())
    assert [answer.reason for answer in released] == ["drain"] * 3
    assert [answer.state.position for answer in released] == [3, 0, 0]
    assert released[0].conditioning["text"].shape == (2, 8, 6)
    assert released[1].conditioning == {}
    assert len(replica.unet.calls) == 3


def test_what_was_drained_goes_on_elsewhere_as_if_nothing_had_been(a_loop, some_work) -> None:
    gate = Gate(at_call=4)
    loop, replica = a_loop(before=gate)
    _, inbox = submit(loop, replica, some_work(steps=9))
    assert gate.reached.wait(WAIT)
    loop.drain()
    gate.opened.set()
    released = inbox.answer()
    other, elsewhere = a_loop()
    _, rest = submit(other, elsewhere, some_work(steps=9, state=released.state, conditioning=released.conditioning))
    _, whole = submit(other, elsewhere, some_work(steps=9))
    np.testing.assert_array_equal(rest.answer().pixels, whole.answer().pixels)


def test_a_split_may_be_decided_late(a_loop, some_work) -> None:
    gate = Gate(at_call=3)
    loop, replica = a_loop(before=gate)
    ticket, inbox = submit(loop, replica, some_work(steps=50))
    assert gate.reached.wait(WAIT)
    earlier, later = loop.stop_at(ticket, 2), loop.stop_at(ticket, 5)
    gate.opened.set()
    assert not earlier.result(WAIT), "it has come further"
    assert later.result(WAIT)
    answer = inbox.answer()
    assert (answer.reason, answer.state.position) == ("split", 5)


def test_a_split_at_the_present_step_releases_at_once(a_loop, some_work) -> None:
    gate = Gate(at_call=3)
    loop, replica = a_loop(before=gate)
    ticket, inbox = submit(loop, replica, some_work(steps=50))
    assert gate.reached.wait(WAIT)
    decided = loop.stop_at(ticket, 3)
    gate.opened.set()
    assert decided.result(WAIT)
    assert inbox.answer().state.position == 3
    _, again = submit(loop, replica, some_work())
    assert isinstance(again.answer(), Image), "its place is free again"


def test_work_without_anything_to_do_is_answered_at_once(a_loop, some_work) -> None:
    loop, replica = a_loop()
    _, inbox = submit(loop, replica, some_work(stop=0))
    answer = inbox.answer()
    assert (answer.reason, answer.state.position) == ("split", 0)
    assert not replica.unet.calls


def test_more_work_than_places_is_finished_too(a_loop, some_work) -> None:
    loop, replica = a_loop(capacity=2)
    inboxes = [submit(loop, replica, some_work(seed=seed))[1] for seed in range(7)]
    assert all(isinstance(inbox.answer(), Image) for inbox in inboxes)
    assert not replica.unet.held


def test_a_close_fails_what_is_unfinished(a_loop, some_work) -> None:
    gate = Gate(at_call=2)
    loop, replica = a_loop(before=gate)
    _, inbox = submit(loop, replica, some_work(steps=50))
    assert gate.reached.wait(WAIT)
    closing = threading.Thread(target=loop.close)
    closing.start()
    gate.opened.set()
    closing.join(WAIT)
    assert isinstance(inbox.answer(), LoopEnded)


def test_the_clocks_account_for_all_time(a_loop, some_work) -> None:
    loop, replica = a_loop()
    inboxes = [
        submit(
            loop,
            replica,
            some_work(seed=seed),
        )[1]
        for seed in range(3)
    ]
    answers = [inbox.answer() for inbox in inboxes]
    clocks = loop.ask(loop.clocks).result(WAIT)
    booked = sum(sum(answer.usage.nanoseconds.values()) for answer in answers)
    assert booked == clocks.books.booked_nanoseconds
    assert clocks.host_nanoseconds > 0
    # How much no stopwatch saw depends on who else wants the processor; `benchmarks.conservation` holds it to 2 %.
    assert 0 <= clocks.unattributed_nanoseconds < clocks.total_nanoseconds
