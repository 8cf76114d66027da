"""The work queue: once at a time, soon after a change, later after a failure."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hybrid_operator.queue import Queue
from hybrid_operator.store import Key

KEY, OTHER = Key("default", "a"), Key("default", "b")


class Later(Exception):
    retry_after_seconds = 0.01


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), timeout=10))


def a_queue(work: Callable[[Key], Awaitable[timedelta | None]], *, at_once: int = 4) -> Queue:
    return Queue(work, at_once=at_once, random_source=random.Random(0))


def test_a_key_added_many_times_while_it_waits_is_worked_on_once() -> None:
    async def story() -> None:
        done: list[Key] = []

        async def work(key: Key) -> None:
            done.append(key)

        queue = a_queue(work)
        for _ in range(5):
            queue.add(KEY)
        await asyncio.sleep(0.05)
        assert done == [KEY]

    run(story)


def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more_and_never_beside_itself() -> None:
    async def story() -> None:
        busy, most, count = 0, 0, 0
        finished = asyncio.Event()

        async def work(key: Key) -> None:
            nonlocal busy, most, count
            busy, count = busy + 1, count + 1
            most = max(most, busy)
            if count == 1:
                for _ in range(3):
                    queue.add(key)
            await asyncio.sleep(0.01)
            busy -= 1
            if count == 2:
                finished.set()

        queue = a_queue(work)
        queue.add(KEY)
        await finished.wait()
        await asyncio.sleep(0.05)
        assert (most, count) == (1, 2)

    run(story)


def test_one_slow_resource_holds_no_other_up() -> None:
    async def story() -> None:
        never, quick = asyncio.Event(), asyncio.Event()

        async def work(key: Key) -> None:
            await never.wait() if key == KEY else quick.set()

        queue = a_queue(work)
        queue.add(KEY)
        queue.add(OTHER)
        await quick.wait()
        await queue.close(within_seconds=0.01)

    run(story)


def test_no_more_are_worked_on_at_once_than_allowed() -> None:
    async def story() -> None:
        busy, most = 0, 0

        async def work(_: Key) -> None:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.01)
            busy -= 1

        queue = a_queue(work, at_once=2)
        for number in range(8):
            queue.add(Key("default", str(number)))
        await asyncio.sleep(0.2)
        assert most == 2

    run(story)


def test_a_failure_is_tried_again_later_each_time() -> None:
    queue = a_queue(lambda _: asyncio.sleep(0, None))
    delays = [queue._backoff(failures) for failures in range(1, 12)]
    assert all(0.25 <= delays[0] <= 0.5 for _ in delays)
    assert max(delays) <= 120
    assert [delay for delay in delays if delay > 60]


def test_an_error_that_says_when_is_believed() -> None:
    async def story() -> None:
        attempts = 0
        done = asyncio.Event()

        async def work(_: Key) -> None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise Later
            done.set()

        queue = a_queue(work)
        queue.add(KEY)
        await asyncio.wait_for(done.wait(), timeout=1)

    run(story)


def test_what_asks_to_be_looked_at_again_is() -> None:
    async def story() -> None:
        done = asyncio.Event()
        attempts = 0

        async def work(_: Key) -> timedelta | None:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                done.set()
                return None
            return timedelta(milliseconds=5)

        queue = a_queue(work)
        queue.add(KEY)
        await done.wait()

    run(story)


def test_an_earlier_due_time_replaces_a_later_one() -> None:
    async def story() -> None:
        done = asyncio.Event()

        async def work(_: Key) -> None:
            done.set()

        queue = a_queue(work)
        queue.add(KEY, delay_seconds=60)
        queue.add(KEY, delay_seconds=0.01)
        await asyncio.wait_for(done.wait(), timeout=1)

    run(story)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_begun_once_the_queue_is_closed(fails: bool) -> None:
    async def story() -> None:
        count = 0

        async def work(key: Key) -> None:
            nonlocal count
            count += 1
            queue.add(key)
            await asyncio.sleep(0.01)
            if fails:
                raise Later

        queue = a_queue(work)
        queue.add(KEY)
        await asyncio.sleep(0.005)
        await queue.close(within_seconds=1)
        queue.add(OTHER)
        await asyncio.sleep(0.05)
        assert count == 1

    run(story)


def test_the_longest_wait_is_that_of_the_item_most_overdue() -> None:
    async def story() -> None:
        blocked = asyncio.Event()

        async def work(_: Key) -> None:
            await blocked.wait()

        queue = a_queue(work, at_once=1)
        assert queue.longest_wait_seconds() == 0
        queue.add(KEY)
        await asyncio.sleep(0.1)
        assert queue.longest_wait_seconds() >= 0.09
        await queue.close(within_seconds=0)

    run(story)


def test_what_waits_for_a_slot_waits_since_it_was_due_and_is_counted() -> None:
    async def story() -> None:
        async def work(_: Key) -> None:
            await asyncio.Event().wait()

        queue = a_queue(work, at_once=1)
        queue.add(KEY)
        queue.add(OTHER)
        await asyncio.sleep(0.05)
        assert queue.waiting() == 1
        assert 0.04 <= queue.longest_wait_seconds() < 5
        await queue.close(within_seconds=0)

    run(story)


def test_what_was_worked_on_and_is_due_later_does_not_wait() -> None:
    async def story() -> None:
        done = asyncio.Event()

        async def work(_: Key) -> timedelta:
            done.set()
            return timedelta(seconds=60)

        queue = a_queue(work)
        queue.add(KEY)
        await done.wait()
        await asyncio.sleep(0.01)
        assert (queue.waiting(), max(0.0, queue.longest_wait_seconds())) == (0, 0.0)
        await queue.close(within_seconds=0)

    run(story)
