"""Asks services again and again, beside reconciling: whether they answer, and whether a revision draws.

A reconcile reads the last answers and never waits for one; a changed answer has the resource looked at again. It
decides nothing and writes nothing to the cluster.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from hybrid_operator.observed import Answer, Verdict
from hybrid_operator.store import Key

logger = logging.getLogger(__name__)

Ask = Callable[[], Awaitable[Answer]]
"""One question to a service."""

_PULSE_SECONDS = 15.0
_ANXIOUS_SECONDS = 3.0
"""Between questions while the last answer was bad, or none."""
_FAILURES_TO_BELIEVE = 2
"""One lost answer is no outage."""
_FAILURES_TO_CALM = 20
"""What has been away for a minute is asked as seldom as what is well."""
_ASK_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class _Pulse:
    target: str
    ask: Ask
    answer: Answer = field(default_factory=Answer)
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Proof:
    answer: Answer = field(default_factory=Answer)
    of: frozenset[str] = frozenset()
    """The pods that were there when it was proven; others have to be proven too."""
    task: asyncio.Task[None] | None = None
    asked_at: float = float("-inf")


class Prober:
    """The answers of all resources, and the tasks that ask for them."""

    def __init__(self, on_change: Callable[[Key], None]) -> None:
        self._on_change = on_change
        self._pulses: dict[Key, _Pulse] = {}
        self._proofs: dict[tuple[Key, str], _Proof] = {}

    def health(self, key: Key, *, target: str, ask: Ask) -> Answer:
        """The last answer of `target`; from now on it is asked for ever."""
        pulse = self._pulses.get(key)
        if pulse is None or pulse.target != target:
            self._stop_pulse(key)
            pulse = self._pulses[key] = _Pulse(target, ask)
            pulse.task = asyncio.create_task(self._beat(key, pulse), name=f"pulse {key}")
        return pulse.answer

    def proof(self, key: Key, revision: str, *, assumed_of: frozenset[str] | None = None) -> Answer:
        """The last proof of a revision; `assumed_of` is what was proven before this process began."""
        proof = self._proofs.get((key, revision))
        if proof is None and assumed_of is not None:
            proof = _Proof(Answer(verdict=Verdict.PASSED), of=assumed_of)
            self._proofs[key, revision] = proof
        return proof.answer if proof else Answer()

    def prove(self, key: Key, revision: str, *, of: frozenset[str], ask: Ask) -> None:
        """Ask for a picture unless all of `of` is proven, or being asked for; after a failure not at once again."""
        proof = self._proofs.setdefault((key, revision), _Proof())
        is_proven = proof.answer.verdict is Verdict.PASSED and of <= proof.of
        now = asyncio.get_running_loop().time()
        has_just_failed = proof.answer.verdict is Verdict.FAILED and now - proof.asked_at < _ASK_AGAIN_SECONDS
        if proof.task or is_proven or has_just_failed:
            return
        proof.asked_at = now
        proof.task = asyncio.create_task(self._prove(key, proof, of=of, ask=ask), name=f"probe {key} {revision}")

    def proven(self, key: Key, revision: str) -> frozenset[str]:
        """What of a revision was there when it drew."""
        proof = self._proofs.get((key, revision))
        return proof.of if proof and proof.answer.verdict is Verdict.PASSED else frozenset()

    def keep(self, key: Key, *, revisions: tuple[str, ...]) -> None:
        """Forget what was asked of other revisions."""
        for known in [known for known in self._proofs if known[0] == key and known[1] not in revisions]:
            _cancel(self._proofs.pop(known).task)

    def rest(self, key: Key) -> None:
        """Ask nothing of a resource that serves nothing."""
        self._stop_pulse(key)

    def forget(self, key: Key) -> None:
        """Ask nothing more, and know nothing more."""
        self._stop_pulse(key)
        self.keep(key, revisions=())

    def busy(self) -> int:
        """How many pictures are being waited for."""
        return sum(proof.task is not None for proof in self._proofs.values())

    async def close(self) -> None:
        """End all questions."""
        tasks = [pulse.task for pulse in self._pulses.values()] + [proof.task for proof in self._proofs.values()]
        for task in tasks:
            _cancel(task)
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)

    def _stop_pulse(self, key: Key) -> None:
        if pulse := self._pulses.pop(key, None):
            _cancel(pulse.task)

    async def _beat(self, key: Key, pulse: _Pulse) -> None:
        failures = 0
        while True:
            answer = await _answered(pulse.ask)
            failures = failures + 1 if answer.verdict is Verdict.FAILED else 0
            if failures in range(1, _FAILURES_TO_BELIEVE) and pulse.answer.verdict is Verdict.PASSED:
                answer = pulse.answer
            if answer.verdict is not pulse.answer.verdict:
                pulse.answer = answer
                self._on_change(key)
            await asyncio.sleep(_ANXIOUS_SECONDS if 0 < failures < _FAILURES_TO_CALM else _PULSE_SECONDS)

    async def _prove(self, key: Key, proof: _Proof, *, of: frozenset[str], ask: Ask) -> None:
        answer = await _answered(ask)
        if answer.verdict is Verdict.BUSY and proof.answer.verdict is Verdict.PASSED:
            await asyncio.sleep(_ASK_AGAIN_SECONDS)  # then whoever is told asks again
        elif answer.verdict is Verdict.BUSY:
            proof.answer, proof.of = replace(answer, verdict=Verdict.FAILED), of
        else:
            proof.answer, proof.of = answer, of
        proof.task = None
        self._on_change(key)


async def _answered(ask: Ask) -> Answer:
    """The answer; whatever is wrong with the question itself is one too, for nobody waits for the task that asks."""
    try:
        return await ask()
    except Exception as error:
        logger.exception("A question could not be asked.")
        return Answer(verdict=Verdict.FAILED, message=f"{type(error).__name__}: {error}")


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
