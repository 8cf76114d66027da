"""The rounds of comparing: what follows from each, and from one that fails."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.hybrid_operator.variants import sample

from hybrid_operator import kinds, term
from hybrid_operator.cluster_errors import Unreachable
from hybrid_operator.feed import Feed
from hybrid_operator.health import Health
from hybrid_operator.last_words import LastWords
from hybrid_operator.queue import Queue
from hybrid_operator.settings import Settings
from hybrid_operator.store import Key, Store
from hybrid_operator.term import Term


class Rounds:
    """Comparisons that come out as they are told to: a number of missed changes, or an error."""

    def __init__(self, *outcomes: int | Exception) -> None:
        self._outcomes = list(outcomes)
        self.count = 0

    async def once(self) -> int:
        self.count += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def compared(rounds: Rounds, *, until: Callable[[list[Key], Health], bool]) -> tuple[list[Key], Health]:
    """The looks at a resource, and the operator's health, after as many rounds as it takes."""
    looks: list[Key] = []

    async def work(key: Key) -> None:
        looks.append(key)

    async def story() -> Health:
        store, health = Store(), Health(0.01, time.monotonic, time.monotonic)
        queue = Queue(work, at_once=1, random_source=random.Random(0))
        feed, resource = Feed(store, queue, LastWords()), sample()[0]
        resource["metadata"] |= {"namespace": "default", "uid": "uid", "resourceVersion": "1"}
        feed.seen(kinds.HYBRID_DIFFUSION, resource)
        feed.complete()
        health.leads(lambda: 0.0)
        settings = Settings(
            namespace="default", identity="test", serving_image="example/serving:1", resync_seconds=0.01
        )
        leading = Term(
            settings=settings, **cast("Any", dict.fromkeys(("connection", "cluster", "caller"))), health=health
        )
        comparing = asyncio.create_task(leading._compare(cast("Any", rounds), feed))
        try:
            await asyncio.wait_for(_true(lambda: until(looks, health)), timeout=10)
        finally:
            comparing.cancel()
            await queue.close(within_seconds=1)
        return health

    return looks, asyncio.run(story())


async def _true(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (of another task, which says nothing)
        await asyncio.sleep(0.002)


def test_every_second_comparison_has_each_resource_looked_at() -> None:
    """A Secret that went is noticed by nothing else."""
    rounds = Rounds(0)
    looks, _ = compared(rounds, until=lambda looks, _: len(looks) >= 4)
    assert rounds.count < 4 * len(looks)


def test_comparisons_that_fail_are_no_missed_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term, "_TRY_AGAIN_SECONDS", 0.01)
    refused = Unreachable("The connection was reset.")
    after_failures: list[str | None] = []

    def until(_: list[Key], health: Health) -> bool:
        if rounds.count > 3:
            after_failures.append(health.why_dead())
        return rounds.count > 5

    rounds = Rounds(0, refused)
    compared(rounds, until=until)
    assert set(after_failures) == {None}
