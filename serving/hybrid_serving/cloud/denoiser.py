"""The Ray Serve deployment of one segment: a worker with Serve's hooks around it.

A shell. It decides nothing; it answers `Image` or `Released`, and its failures say whether another replica could do
better.
"""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ray import serve
from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
from ray.experimental import internal_kv

from hybrid_api import serve_config
from hybrid_serving.cloud import assembly, autoscale, drain, logs, mounts, occupancy
from hybrid_serving.cloud.bookkeeping import Bookkeeping
from hybrid_serving.cloud.held import Held
from hybrid_serving.cloud.metrics import RayMeter
from hybrid_serving.protocol import Image, Preview, Released, Work

SWITCH_INTERVAL_SECONDS = 0.001
"""How long other Python code may keep the engine thread waiting after a call; Python's own 5 ms is a call's length."""


@serve.deployment
class Denoiser:
    """One replica of a segment. Serve calls `reconfigure` before any request."""

    def __init__(self, args: Mapping[str, Any], segment: str) -> None:
        logs.join_serve(source=segment)
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        self._segment = segment
        self._queue_target_milliseconds = 0.0
        fixed = serve_config.read_fixed(args)
        self._worker = assembly.worker(fixed, segment=segment)
        threads = next(each.engine.threads for each in fixed.spec.segments if each.name == segment)
        self._books = Bookkeeping(
            self._worker,
            service=fixed.name,
            segment=segment,
            resources=occupancy.read(os.environ, threads=threads),
            meter=Held(inner=RayMeter()),
            mounts=mounts.folder(os.environ),
        )
        self._watch = drain.DrainWatch(_serve_status, replica_id=_replica_id(), on_drain=self._worker.drain)
        self._watch.start()

    def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Take over the tunable half; images under way keep what they were admitted with."""
        tunable = serve_config.read_tunable(user_config)
        own = next(each for each in tunable.spec.segments if each.name == self._segment)
        scaling = own.workers.autoscaling
        self._queue_target_milliseconds = scaling.target_queue_time.total_seconds() * 1000 if scaling else 0.0
        self._worker.wait_limit_seconds = tunable.spec.requests.limits.queue_time.total_seconds()
        self._books.reprice(tunable.prices)

    async def run(self, work: Work) -> Image | Released:
        """Run `work`; cancelling the call cancels the work at its next step."""
        return await self._worker.run(work)

    async def stream(self, work: Work) -> AsyncIterator[Preview | Image | Released]:
        """Run `work`: previews as they come, then the answer."""
        async for item in self._worker.stream(work):
            yield item

    async def describe(self) -> dict[str, Any]:
        """What this replica's engines are and what it occupies, as plain values."""
        occupied = occupancy.describe(self._books.resources)
        return {"segment": self._segment, "occupies": occupied, **self._worker.describe()}

    async def drain(self) -> None:
        """Release everything at the next boundary, with the reason `drain`."""
        self._worker.drain()

    async def check_health(self) -> None:
        """Raise where the engine loop has ended, is stuck, or does not answer."""
        await self._worker.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the scaling policy is told; also when this replica's metrics are brought up to date."""
        load = await self._worker.load()
        self._books.tell(load)
        return autoscale.replica_statistics(
            outstanding_milliseconds=load.milliseconds,
            accepted_rows=load.rows,
            row_milliseconds=self._worker.row_milliseconds,
            queue_target_milliseconds=self._queue_target_milliseconds,
        )

    def __del__(self) -> None:
        """End the threads with the replica, as far as its start got; what is still to be booked is booked before."""
        if watch := getattr(self, "_watch", None):
            watch.stop()
        if books := getattr(self, "_books", None):
            books.close()
        if worker := getattr(self, "_worker", None):
            worker.close()


def _replica_id() -> str:
    return str(serve.get_replica_context().replica_id.unique_id)


def _serve_status() -> Mapping[str, Any]:
    """Serve's status as the head's dashboard tells it; the head may move, so its address is asked for each time."""
    address = internal_kv._internal_kv_get(b"dashboard", namespace=b"dashboard")
    if address is None:
        raise OSError("Ray's head has not published the address of its dashboard.")
    return drain.read_status(f"http://{address.decode()}", headers=get_auth_headers_if_auth_enabled({}))
