"""What the ingress learns about its segments while it serves: how many workers run, and what their engines are.

Asks Serve's status and the workers themselves, every few seconds; a failure is logged and the last answer kept. It
never wakes a segment that is scaled to zero.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from hybrid_serving.cloud import occupancy
from hybrid_serving.cloud.ingress.service import Service

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 2.0


class Describes(Protocol):
    """A segment that can say what its engines are."""

    async def describe(self) -> dict[str, Any]:
        """Plain values."""
        ...


async def watch(
    service: Service,
    segments: Mapping[str, Describes],
    *,
    count_replicas: Callable[[], Mapping[str, int]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Look every period until cancelled."""
    while True:
        try:
            await look(service, segments, count_replicas=count_replicas)
        except Exception as error:  # noqa: BLE001  # the outermost loop of this task
            logger.warning("The segments cannot be looked at: %s", error)
        await sleep(PERIOD_SECONDS)


async def look(
    service: Service, segments: Mapping[str, Describes], *, count_replicas: Callable[[], Mapping[str, int]]
) -> None:
    """Learn the replicas of now, and describe segments that run and were not described yet."""
    counts = await asyncio.to_thread(count_replicas)
    for name, segment in segments.items():
        service.admission.replicas[name] = counts.get(name, 0)
        if counts.get(name, 0) and name not in service.described:
            described = await segment.describe()
            service.described[name] = described
            if occupied := described.get("occupies"):
                service.accounts.resources[name] = occupancy.parse(occupied)
            service.admission.learn(name, milliseconds=described["milliseconds"])
            service.accounts.measured.expect(name, described["milliseconds_by_kind"])
