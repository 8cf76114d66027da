"""One ingress replica's state and the steps that every route shares, without the web framework and without Ray.

`deployment` builds it, `routes` calls it. The terms are replaced whole by `reconfigure`.
"""

import asyncio
import base64
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from hybrid_serving import pixels, sampler, split
from hybrid_serving.cloud.ingress import dispatch, orders, planning
from hybrid_serving.cloud.ingress.accounts import Accounts
from hybrid_serving.cloud.ingress.admission import Admission, Limits
from hybrid_serving.cloud.ingress.auth import ApiKeys
from hybrid_serving.cloud.ingress.dispatch import Journey
from hybrid_serving.cloud.ingress.facts import Facts
from hybrid_serving.cloud.ingress.idempotency import Answers
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.schemas import GenerationRequest, HandoffRequest
from hybrid_serving.cloud.ingress.signing import SigningKeys
from hybrid_serving.cloud.ingress.terms import Terms
from hybrid_serving.protocol import Image, Preview, Released, Settings, Work

Result = TypeVar("Result")

PATIENCE = 2.0
"""Late work is demoted, not dropped; after this many deadlines the ingress stops waiting for it."""

_ENCODERS = 2


@dataclass(slots=True, kw_only=True)
class Service:
    """The state, and what is done with it."""

    facts: Facts
    terms: Terms = field(init=False)
    """Set by the first `reconfigure`, before the first request."""
    runners: Mapping[str, dispatch.Runner]
    keys: ApiKeys
    signing: SigningKeys
    accounts: Accounts
    answers: Answers = field(default_factory=Answers)
    admission: Admission = field(default_factory=Admission)
    described: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a denoiser of each segment told about its engine, once one has run."""
    clock: Callable[[], float] = time.time
    encoders: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode")
    )

    def now(self) -> datetime:
        """The clock's time."""
        return datetime.fromtimestamp(self.clock(), tz=UTC)

    def order(self, request: GenerationRequest, *, tenant: str) -> Order:
        """The request held against the terms of now."""
        return orders.read(
            request,
            id=secrets.token_hex(16),
            tenant=tenant,
            facts=self.facts,
            terms=self.terms,
            now=self.clock(),
            draw_seed=lambda: secrets.randbits(64),
            plan=lambda settings: self._plan(request, settings),
        )

    def _plan(self, request: GenerationRequest, settings: Settings) -> planning.Plan:
        outlook = planning.Outlook(
            table=sampler.compile_table(self.facts.schedule, sampler=settings.sampler, steps=settings.steps),
            curve=self.facts.curve,
            cloud=lambda: self._cloud(settings),
            deadline_seconds=self.terms.deadline_seconds,
            device=_device(request, handoff_bytes=self.accounts.measured.handoff_bytes),
        )
        return planning.plan(request.split, shares=self.terms.shares, outlook=outlook)

    def _cloud(self, settings: Settings) -> split.Cloud | None:
        """The cloud as the planner weighs it; `None` until engines were measured."""
        names = self.facts.names
        large, small = (self.accounts.measured.of("step", segments=(name,)) for name in (names[0], names[-1]))
        if large is None or small is None:
            return None
        rows = self.facts.rows_a_step(settings)
        return split.Cloud(
            seconds_per_large_step=large * rows / 1e9,
            seconds_per_small_step=small * rows / 1e9,
            seconds_to_decode=(self.accounts.measured.of("decode", segments=names) or 0) / 1e9,
            queue_seconds=self.admission.wait_seconds(names[0]),
        )

    def admit(self, journey: Journey, order: Order) -> None:
        """Raise 429 where the order's images could not be finished in time."""
        limits = Limits(
            queue_seconds=self.terms.queue_seconds, deadline_seconds=max(0.0, order.deadline - self.clock())
        )
        self.admission.check(journey, rows_a_step=order.rows_a_step, images=len(order.settings), limits=limits)

    async def run(
        self, work: Work, journey: Journey, *, order: Order, on_preview: Callable[[Preview], None] | None = None
    ) -> Image | Released:
        """Dispatch `work` for its tenant, counted as promised meanwhile; what it used is counted however it ends."""
        work = replace(work, tenant=order.tenant)
        patience_seconds = PATIENCE * max(0.0, work.deadline - self.clock())
        try:
            with self.admission.promised(journey, rows_a_step=order.rows_a_step):
                return await dispatch.run(
                    work, journey, runners=self.runners, on_preview=on_preview, patience_seconds=patience_seconds
                )
        finally:
            self.accounts.spent(journey, order, is_late=self.clock() > work.deadline)

    async def encode(self, array: pixels.Pixels, order: Order) -> str:
        """The picture as base64, made in a thread."""

        def encoded() -> str:
            file = pixels.encode(array, format=order.output_format, compression=order.compression)
            return base64.b64encode(file).decode("ascii")

        return await asyncio.get_running_loop().run_in_executor(self.encoders, encoded)


async def together(parts: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all, in order; the first failure cancels the others and is raised as it is."""
    if len(parts) == 1:
        return [await parts[0]]
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _device(request: GenerationRequest, *, handoff_bytes: int) -> split.Device | None:
    """The device that asks, as it described itself."""
    profile = request.device if isinstance(request, HandoffRequest) else None
    if profile is None:
        return None
    return split.Device(
        seconds_per_step=profile.seconds_per_step,
        seconds_to_decode=profile.seconds_to_decode,
        seconds_to_receive=handoff_bytes / profile.bytes_per_second if profile.bytes_per_second else 0.0,
    )
