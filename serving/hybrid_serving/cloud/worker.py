"""A replica without Ray: engines, their loop, and an asyncio face to it.

The Serve shell, tests, benchmarks and `hybrid profile` all use this. It owns no policy: order is the batcher's,
arithmetic the stages'.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hybrid_serving.cloud.clocks import Clocks
from hybrid_serving.cloud.loop import EngineLoop
from hybrid_serving.cloud.networks import Size
from hybrid_serving.cloud.preparation import Preparation
from hybrid_serving.cloud.stages import Stages
from hybrid_serving.cloud.ticket import Event, LoopEnded
from hybrid_serving.cloud.timings import Timings
from hybrid_serving.protocol import Image, Preview, Released, Work

PATIENCE_CALLS = 20
PATIENCE_SECONDS = 5.0
"""Times its measured time that a call may last, and the least that this comes to."""
_LOOK_SECONDS = 0.1
"""How often a check that waits for an answer looks whether a call has begun."""


class Unhealthy(RuntimeError):
    """The replica should be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a replica has to do."""

    milliseconds: float
    """Outstanding work at the profiled pace."""
    rows: int
    """Step rows of the work that is here, done or not."""
    wait_seconds: float
    """Predicted wait of a guided image that came now."""
    prompt_hits: int
    """Texts that were found encoded."""
    prompt_misses: int
    clocks: Clocks


class Worker:
    """Runs work on its own engine loop; methods are for one asyncio loop at a time."""

    def __init__(self, stages: Stages, *, prepare: Preparation, clock: Callable[[], float] = time.time) -> None:
        self._stages = stages
        self._prepare = prepare
        self._loop = EngineLoop(stages, clock=clock)
        self._loop.start()
        slowest = max(pace.milliseconds(pace.largest) for pace in stages.networks.paces().values())
        self.patience_seconds = max(PATIENCE_SECONDS, PATIENCE_CALLS * slowest / 1000)
        """How long a turn may last before the engine counts as stuck."""
        self.wait_limit_seconds: float | None = None
        """New work that would wait longer is refused with `QueueFull`; `None` refuses nothing."""

    def close(self) -> None:
        """End the engine loop; unfinished work fails."""
        self._loop.close()

    async def run(self, work: Work) -> Image | Released:
        """Run `work`; cancelling the caller cancels it at the next step."""
        async with aclosing(self.stream(work)) as items:
            async for item in items:
                if not isinstance(item, Preview):
                    return item
        raise LoopEnded("The engine loop gave no answer.")

    async def stream(self, work: Work) -> AsyncGenerator[Preview | Image | Released]:
        """Run `work`: previews as they come (for a slow reader only the newest), then the answer."""
        mailbox = _Mailbox()
        ticket = self._loop.submit(self._prepare(work), mailbox.deliver, wait_limit_seconds=self.wait_limit_seconds)
        try:
            while True:
                event = await mailbox.take()
                if isinstance(event, Exception):
                    raise event
                yield event
                if not isinstance(event, Preview):
                    return
        finally:
            if not ticket.is_over:
                self._loop.cancel(ticket)

    def drain(self) -> None:
        """Release everything at the next boundary, and whatever still comes."""
        self._loop.drain()

    async def load(self) -> Load:
        """What there is to do, asked of the loop itself."""
        return await asyncio.wrap_future(self._loop.ask(self._load))

    def clocks(self) -> Clocks:
        """Where the time went; waits for the running call."""
        try:
            return self._loop.ask(self._loop.clocks).result(self.patience_seconds)
        except LoopEnded:
            return self._loop.clocks()

    @property
    def timings(self) -> Timings:
        """How long work waited and calls took."""
        return self._loop.timings

    async def check(self) -> None:
        """Raise `Unhealthy` where the loop has ended, a call lasts too long, or the loop does not answer.

        A call that runs is waited for by nobody: Serve's own patience may be shorter than one call.
        """
        if self._loop.ending is not None:
            raise Unhealthy(f"The engine loop has ended: {self._loop.ending}.")
        limit, began = self.patience_seconds, time.monotonic()
        answer = asyncio.wrap_future(self._loop.ask(lambda: None))
        try:
            while not answer.done():
                if (seconds := self._loop.seconds_in_turn) > limit:
                    raise Unhealthy(f"An engine call has lasted {seconds:.1f} s, the limit is {limit:.1f} s.")
                if seconds > 0:
                    return
                if time.monotonic() - began > limit:
                    raise Unhealthy(f"The engine loop has not answered for {limit:.1f} s.")
                await asyncio.wait({answer}, timeout=_LOOK_SECONDS)
            answer.result()
        finally:
            answer.cancel()

    @property
    def row_milliseconds(self) -> float:
        """Profiled time of a step's row, of the largest size."""
        networks = self._stages.networks
        return max(networks.paces()[networks.keys(size).step].row_milliseconds for size in networks.unets)

    def describe(self) -> dict[str, Any]:
        """Plain values about the engines: of the first size, and of each."""
        sizes = {"{}x{}".format(*size): self._describe(size) for size in self._stages.networks.unets}
        return {**next(iter(sizes.values())), "sizes": sizes, "capacity": self._stages.capacity}

    def _describe(self, size: Size) -> dict[str, Any]:
        networks = self._stages.networks
        unet = networks.unets[size]
        engines = {"encode": networks.text_encoder, "step": unet, "decode": networks.decoders[size]}
        return {
            "latent_shape": list(networks.latent_shape(size)),
            "network": unet.domain.network,
            "domain": networks.domain(size),
            "is_batch_invariant": unet.is_batch_invariant,
            "buckets": list(unet.buckets),
            "milliseconds": dict(unet.facts.milliseconds),
            "milliseconds_by_kind": {kind: dict(engine.facts.milliseconds) for kind, engine in engines.items()},
            "macs_by_kind": {kind: engine.facts.macs for kind, engine in engines.items()},
        }

    def _load(self) -> Load:
        tasks, batcher = self._loop.tasks, self._loop.batcher
        keys = [self._stages.networks.keys(size).step for size in self._stages.networks.unets]
        return Load(
            milliseconds=batcher.outstanding(),
            wait_seconds=max(batcher.predicted_wait(key, rows=2) for key in keys),
            rows=sum(task.rows * (task.work.stop - task.state.position) for task in tasks),
            prompt_hits=self._stages.embeddings.hits,
            prompt_misses=self._stages.embeddings.misses,
            clocks=self._loop.clocks(),
        )


class _Mailbox:
    """Carries events from the engine thread to one asyncio reader; an unread preview gives way to a newer one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._preview: Preview | None = None
        self._answer: Event | None = None

    def deliver(self, event: Event) -> None:
        """Take an event; on the engine thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, event)

    async def take(self) -> Event:
        """The next event: a preview that is due, else the answer."""
        await self._arrived.wait()
        event, self._preview = self._preview or self._answer, None
        if self._answer is None:
            self._arrived.clear()
        assert event is not None, "the event is only set where something has arrived"
        return event

    def _put(self, event: Event) -> None:
        if isinstance(event, Preview):
            self._preview = event
        else:
            self._answer = event
        self._arrived.set()
