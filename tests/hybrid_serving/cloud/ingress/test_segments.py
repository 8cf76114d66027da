"""What a worker's refusals become on their way through Ray."""

import asyncio
import warnings

import pytest

from hybrid_serving.cloud.batcher import BatcherError
from hybrid_serving.cloud.ingress.failures import answer_to
from hybrid_serving.cloud.preparation import WorkRefused

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve's own, of pydantic
    from ray.exceptions import RayTaskError

    from hybrid_serving.cloud.ingress.segments import Segment


class Handle:
    """A deployment whose every call fails as Ray lets it fail."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def options(self, **_: object) -> "Handle":
        return self

    def remote(self, *_: object) -> "Handle":
        return self

    def cancel(self) -> None:
        """There is nothing to cancel."""

    def __await__(self):
        raise self._error
        yield

    async def __aiter__(self):
        raise self._error
        yield


@pytest.mark.parametrize("error", [BatcherError("Found no engine."), WorkRefused("Size 8x8 has no engine here.")])
@pytest.mark.parametrize("is_remote", [False, True])
def test_work_that_no_worker_can_do_is_the_requests_fault(error, is_remote, some_work) -> None:
    raised = RayTaskError("run", "a traceback", error).as_instanceof_cause() if is_remote else error
    segment = Segment("large", Handle(raised))

    async def stream() -> None:
        async for _ in segment.stream(some_work()):
            pass

    for call in (segment.run(some_work()), stream()):
        with pytest.raises(Exception) as caught:  # noqa: PT011  # what it becomes is the question
            asyncio.run(call)
        answer = answer_to(caught.value)
        assert (answer.status, answer.code, answer.message) == (400, "invalid_value", str(error))
