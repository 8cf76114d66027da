"""Asking again and again beside reconciling: who is told, what is believed, what is not asked twice."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hybrid_operator import prober
from hybrid_operator.observed import Answer, Verdict
from hybrid_operator.prober import Prober
from hybrid_operator.store import Key

KEY = Key("default", "shapes")
PASSED, FAILED = Answer(verdict=Verdict.PASSED), Answer(verdict=Verdict.FAILED, message="no")
BUSY = Answer(verdict=Verdict.BUSY, message="status 429")
PODS, MORE_PODS = frozenset({"a"}), frozenset({"a", "b"})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "_PULSE_SECONDS", 0.01)
    monkeypatch.setattr(prober, "_ANXIOUS_SECONDS", 0.01)
    monkeypatch.setattr(prober, "_ASK_AGAIN_SECONDS", 0.05)


class Scripted:
    """Gives its answers one after the other, the last for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.count = 0

    async def __call__(self) -> Answer:
        self.count += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Broken(Scripted):
    """Fails once in a way that nobody thought of."""

    async def __call__(self) -> Answer:
        answer = await super().__call__()
        if self.count == 1:
            raise ValueError("Newline or carriage return detected in headers.")
        return answer


def run(story: Callable[[Prober, list[Key]], Awaitable[None]]) -> None:
    async def whole() -> None:
        told: list[Key] = []
        asking = Prober(told.append)
        try:
            await story(asking, told)
        finally:
            await asking.close()

    asyncio.run(asyncio.wait_for(whole(), timeout=10))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (of another task, which says nothing)
        await asyncio.sleep(0.002)


def test_a_changed_answer_is_told_and_an_unchanged_one_is_not() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(PASSED)
        assert asking.health(KEY, target="a", ask=ask).verdict is Verdict.NONE
        await until(lambda: ask.count > 5)
        assert told == [KEY]
        assert asking.health(KEY, target="a", ask=ask) == PASSED

    run(story)


def test_one_lost_answer_is_no_outage_and_two_are() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(PASSED, FAILED, PASSED, FAILED, FAILED, PASSED)
        asking.health(KEY, target="a", ask=ask)
        await until(lambda: ask.count > 7)
        assert told == [KEY, KEY, KEY]

    run(story)


def test_another_target_is_asked_anew() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        asking.health(KEY, target="a", ask=Scripted(PASSED))
        await until(lambda: bool(told))
        assert asking.health(KEY, target="b", ask=Scripted(PASSED)).verdict is Verdict.NONE

    run(story)


def test_what_rests_is_asked_no_more() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(PASSED)
        asking.health(KEY, target="a", ask=ask)
        await until(lambda: ask.count > 0)
        asking.rest(KEY)
        count = ask.count
        await asyncio.sleep(0.05)
        assert ask.count == count

    run(story)


def test_a_proof_is_asked_for_once_and_told_when_it_comes() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(PASSED)
        for _ in range(3):
            asking.prove(KEY, "r", of=PODS, ask=ask)
        await until(lambda: bool(told))
        asking.prove(KEY, "r", of=PODS, ask=ask)
        assert (ask.count, asking.busy()) == (1, 0)
        assert asking.proof(KEY, "r") == PASSED

    run(story)


def test_a_new_pod_is_proven_and_one_that_went_is_not() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(PASSED)
        asking.proof(KEY, "r", assumed_of=MORE_PODS)
        asking.prove(KEY, "r", of=PODS, ask=ask)
        assert asking.busy() == 0
        asking.prove(KEY, "r", of=MORE_PODS | {"c"}, ask=ask)
        assert asking.busy() == 1
        assert asking.proof(KEY, "r") == PASSED  # until it is known better

    run(story)


def test_a_new_pod_is_proven_at_once_however_recent_the_last_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would look again for the sake of the pause."""
    monkeypatch.setattr(prober, "_ASK_AGAIN_SECONDS", 3600.0)

    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(PASSED)
        asking.prove(KEY, "a", of=PODS, ask=ask)
        await until(lambda: len(told) == 1)
        asking.prove(KEY, "a", of=MORE_PODS, ask=ask)
        await until(lambda: len(told) == 2)

    run(story)


def test_a_failed_proof_is_not_asked_for_at_once_again() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(FAILED, PASSED)
        asking.prove(KEY, "r", of=PODS, ask=ask)
        await until(lambda: bool(told))
        asking.prove(KEY, "r", of=PODS, ask=ask)
        assert asking.busy() == 0
        await asyncio.sleep(0.06)
        asking.prove(KEY, "r", of=PODS, ask=ask)
        await until(lambda: asking.proof(KEY, "r") == PASSED)

    run(story)


def test_what_has_drawn_and_is_too_busy_for_a_question_is_asked_later_and_still_draws() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Scripted(BUSY, PASSED)
        asking.proof(KEY, "r", assumed_of=PODS)
        asking.prove(KEY, "r", of=MORE_PODS, ask=ask)
        await until(lambda: ask.count == 1)
        asking.prove(KEY, "r", of=MORE_PODS, ask=ask)
        assert (ask.count, asking.proof(KEY, "r")) == (1, PASSED)
        await until(lambda: bool(told))
        assert asking.proven(KEY, "r") == PODS
        asking.prove(KEY, "r", of=MORE_PODS, ask=ask)
        await until(lambda: asking.proven(KEY, "r") == MORE_PODS)

    run(story)


def test_what_never_drew_and_is_too_busy_for_it_has_failed() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        asking.prove(KEY, "r", of=PODS, ask=Scripted(BUSY))
        await until(lambda: bool(told))
        assert asking.proof(KEY, "r").verdict is Verdict.FAILED

    run(story)


def test_a_proof_that_breaks_is_a_failed_one_that_says_why_and_is_asked_for_again() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Broken(PASSED)
        asking.prove(KEY, "r", of=PODS, ask=ask)
        await until(lambda: bool(told))
        answer = asking.proof(KEY, "r")
        assert (answer.verdict, answer.message.partition(":")[0]) == (Verdict.FAILED, "ValueError")
        await asyncio.sleep(0.06)
        asking.prove(KEY, "r", of=PODS, ask=ask)
        await until(lambda: asking.proof(KEY, "r") == PASSED)

    run(story)


def test_a_pulse_that_breaks_goes_on() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        ask = Broken(PASSED)
        asking.health(KEY, target="a", ask=ask)
        await until(lambda: asking.health(KEY, target="a", ask=ask) == PASSED)

    run(story)


def test_proofs_of_revisions_that_went_are_forgotten() -> None:
    async def story(asking: Prober, told: list[Key]) -> None:
        for revision in ("old", "new"):
            asking.proof(KEY, revision, assumed_of=PODS)
        asking.keep(KEY, revisions=("new",))
        assert asking.proof(KEY, "old").verdict is Verdict.NONE
        assert asking.proof(KEY, "new") == PASSED

    run(story)
