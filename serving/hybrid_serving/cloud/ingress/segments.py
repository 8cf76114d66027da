"""A segment's denoisers behind a Ray Serve handle, and what Ray's failures mean to the dispatcher.

The only module of this package that knows Ray's exceptions; nothing is decided here.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from grpc import RpcError  # type: ignore[import-untyped]  # comes with Ray, has no stubs
from ray.exceptions import RayActorError, RaySystemError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from hybrid_serving.cloud.batcher import BatcherError
from hybrid_serving.cloud.ingress.dispatch import ReplicaLost, SegmentBusy, SegmentUnavailable, WorkUnfit
from hybrid_serving.cloud.loop import LoopEnded, QueueFull
from hybrid_serving.cloud.preparation import WorkRefused
from hybrid_serving.protocol import Image, Preview, Released, Work

# TaskCancelledError: cancelled by a replica that is being stopped; our own cancelling raises CancelledError here.
_LOST = (RayActorError, RaySystemError, TaskCancelledError, ReplicaUnavailableError, RpcError, LoopEnded)
_UNAVAILABLE = (BackPressureError, DeploymentUnavailableError)
_UNFIT = (BatcherError, WorkRefused)


class Segment:
    """One deployment as a `Runner`."""

    def __init__(self, name: str, handle: DeploymentHandle) -> None:
        self._name = name
        self._run = handle.options(method_name="run")
        self._stream = handle.options(method_name="stream", stream=True)
        self._describe = handle.options(method_name="describe")

    async def run(self, work: Work) -> Image | Released:
        """Run `work` on some replica; cancelling this cancels it there."""
        response = self._run.remote(work)
        try:
            with self._translated():
                answer: Image | Released = await response
        except BaseException:
            response.cancel()  # harmless where the call itself has failed
            raise
        return answer

    async def stream(self, work: Work) -> AsyncGenerator[Preview | Image | Released]:
        """Run `work` with previews; closing the generator before the answer cancels the work."""
        response = self._stream.remote(work)
        is_over = False
        try:
            with self._translated():
                async for item in response:
                    is_over = not isinstance(item, Preview)
                    yield item
        finally:
            if not is_over:
                response.cancel()

    async def describe(self) -> dict[str, Any]:
        """What a replica says about its engine; wakes one where none runs, so ask only when one does."""
        description: dict[str, Any] = await self._describe.remote()
        return description

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Say in the dispatcher's words why a call failed."""
        try:
            yield
        except _LOST as error:
            message = f"A worker of the segment `{self._name}` was lost, and so was the one that took over."
            raise ReplicaLost(message) from error
        except QueueFull as error:
            raise SegmentBusy(str(error), wait_seconds=error.wait_seconds) from error
        except _UNFIT as error:
            # Ray's own text of it is the worker's whole traceback.
            raise WorkUnfit(str(error.cause if isinstance(error, RayTaskError) else error)) from error
        except _UNAVAILABLE as error:
            message = f"No worker of the segment `{self._name}` can take work now; try again soon."
            raise SegmentUnavailable(message) from error
