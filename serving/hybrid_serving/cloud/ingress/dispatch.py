"""Moves one image's work from segment to segment until it is a picture, or as far as it shall go.

Decides only by the answers it gets; it knows no HTTP and no Ray. A denoiser answers `Image` or `Released`; what it
released goes to the next segment at a split and to another replica of the same one otherwise, and a replica that dies
is replaced once, from the last state that came back.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from hybrid_serving.protocol import Image, Preview, Released, Usage, Work


class Runner(Protocol):
    """A segment's denoisers as the dispatcher sees them."""

    def run(self, work: Work) -> Awaitable[Image | Released]:
        """Run `work` on some replica."""
        ...

    def stream(self, work: Work) -> AsyncGenerator[Preview | Image | Released]:
        """Run `work` on some replica; previews first, the answer last."""
        ...


class DispatchError(Exception):
    """A trajectory that did not reach its end."""


class ReplicaLost(DispatchError):  # what happened, not whose fault it is
    """The replica that held the work died; the work itself is not to blame."""


class SegmentUnavailable(DispatchError):
    """No replica of a segment can take work now."""


class SegmentBusy(DispatchError):
    """Every replica of a segment has more work than may wait."""

    def __init__(self, message: str, *, wait_seconds: float) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class WorkUnfit(DispatchError):
    """No replica of a segment can ever do such work."""


class DeadlinePassed(DispatchError):
    """The work was still unfinished when waiting for it made no sense any more."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One segment's stretch of a trajectory."""

    segment: str
    stop: int
    """Where it releases; the number of steps means that it finishes and decodes."""


@dataclass(frozen=True, slots=True)
class Booking:
    """What one answer of a segment cost."""

    segment: str
    usage: Usage
    domain: str


@dataclass(slots=True, kw_only=True)
class Journey:
    """One image's way so far. Mutable on purpose: what was spent is known also when the end is a failure."""

    rest: tuple[Leg, ...]
    """Legs that are not finished, the one under way first."""
    position: int = 0
    """The last known position of the state."""
    bookings: list[Booking] = field(default_factory=list)
    hops: int = 0
    """Answers that were not the last: splits, drains, rebalances."""
    repeats: int = 0
    """Replicas that died under it."""

    def steps_left(self) -> Iterator[tuple[str, int]]:
        """Steps by segment that are not known to be done."""
        position = self.position
        for leg in self.rest:
            yield leg.segment, max(0, leg.stop - position)
            position = max(position, leg.stop)


def begin(work: Work, route: Sequence[Leg]) -> Journey:
    """The journey of `work` along `route`, before its first step."""
    return Journey(rest=tuple(route), position=work.state.position if work.state is not None else 0)


_REPEATS = 1
_BACK_OFF_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5)


def legs(segments: Sequence[str], *, boundaries: Sequence[int], steps: int, start: int = 0) -> tuple[Leg, ...]:
    """The stretches of a trajectory; a segment without steps is left out, the one that reaches the end finishes."""
    stretches = []
    for segment, stop in zip(segments, (*boundaries, steps), strict=True):
        if stop > start:
            stretches.append(Leg(segment, stop))
        start = max(start, stop)
    return tuple(stretches)


async def run(
    work: Work,
    journey: Journey,
    *,
    runners: Mapping[str, Runner],
    on_preview: Callable[[Preview], None] | None = None,
    patience_seconds: float | None = None,
) -> Image | Released:
    """Take `work` to the end of `journey`: an `Image`, or `Released` where the last leg stops before the end."""
    try:
        async with asyncio.timeout(patience_seconds):
            return await _along(work, journey, runners=runners, on_preview=on_preview)
    except TimeoutError as error:
        message = f"The image was still unfinished after {patience_seconds:g} s; ask for fewer steps, or ask later."
        raise DeadlinePassed(message) from error


async def _along(
    work: Work, journey: Journey, *, runners: Mapping[str, Runner], on_preview: Callable[[Preview], None] | None
) -> Image | Released:
    answer: Image | Released | None = None
    while journey.rest:
        leg = journey.rest[0]
        answer = await _leg(
            replace(work, stop=leg.stop), leg, runner=runners[leg.segment], journey=journey, on_preview=on_preview
        )
        journey.rest = journey.rest[1:]
        if isinstance(answer, Image):
            return answer
        work = replace(work, state=answer.state, conditioning=answer.conditioning)
    if answer is None:
        raise DispatchError("The journey has no legs; a trajectory needs at least one segment.")
    return answer


async def _leg(
    work: Work, leg: Leg, *, runner: Runner, journey: Journey, on_preview: Callable[[Preview], None] | None
) -> Image | Released:
    """Stay on one segment until it finished its stretch, whatever its replicas go through."""
    fruitless = 0
    while True:
        try:
            answer = await _ask(work, runner, on_preview=on_preview)
        except ReplicaLost:
            if journey.repeats >= _REPEATS:
                raise
            journey.repeats += 1
            continue
        journey.bookings.append(Booking(leg.segment, answer.usage, answer.domain))
        if isinstance(answer, Image):
            return answer
        journey.hops += 1
        fruitless = 0 if answer.state.position > journey.position else fruitless + 1
        journey.position = answer.state.position
        if answer.reason == "split":
            return answer
        if fruitless:
            # A draining replica may be offered the work again before the router has heard of its end.
            await asyncio.sleep(_BACK_OFF_SECONDS[min(fruitless, len(_BACK_OFF_SECONDS)) - 1])
        work = replace(work, state=answer.state, conditioning=answer.conditioning)


async def _ask(work: Work, runner: Runner, *, on_preview: Callable[[Preview], None] | None) -> Image | Released:
    if on_preview is None or not work.previews:
        return await runner.run(work)
    async with aclosing(runner.stream(work)) as items:
        async for item in items:
            if not isinstance(item, Preview):
                return item
            on_preview(item)
    raise ReplicaLost("The replica closed its stream without an answer.")
