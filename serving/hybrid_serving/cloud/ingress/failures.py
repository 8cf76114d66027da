"""Which failure of the layers below becomes which answer: the other half of the one table.

Only here does an exception that is not an `ApiError` get a code; what is not listed is an internal error, logged with
its traceback and told to the client without details.
"""

import logging
from collections.abc import Mapping

from hybrid_serving import handoff
from hybrid_serving.cloud.ingress import dispatch
from hybrid_serving.cloud.ingress.admission import too_busy
from hybrid_serving.cloud.ingress.errors import ApiError, Code

logger = logging.getLogger(__name__)

CODES: Mapping[type[Exception], Code] = {
    dispatch.DeadlinePassed: "deadline_exceeded",
    dispatch.ReplicaLost: "segment_unavailable",
    dispatch.SegmentUnavailable: "segment_unavailable",
    dispatch.WorkUnfit: "invalid_value",
    handoff.HandoffExpired: "handoff_expired",
    handoff.HandoffError: "handoff_invalid",
}
"""The first match counts, so a subclass stands before its base."""

_RETRY_AFTER_SECONDS = 1
_FAULTS = 500


def answer_to(error: BaseException) -> ApiError:
    """What the client is told about `error`; what is no fault of theirs is logged."""
    answer = _answer_to(error)
    if answer.status >= _FAULTS and answer.code != "internal_error":
        logger.warning("Answered %d `%s`: %s", answer.status, answer.code, answer.message)
    return answer


def _answer_to(error: BaseException) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, dispatch.SegmentBusy):
        return too_busy(error.wait_seconds, retry_after_seconds=error.wait_seconds)
    for known, code in CODES.items():
        if isinstance(error, known):
            retry = _RETRY_AFTER_SECONDS if code == "segment_unavailable" else None
            return ApiError(str(error), code=code, retry_after_seconds=retry)
    logger.error("A request failed for a reason that no table knows.", exc_info=error)
    message = "The service failed in a way it did not foresee; the request may be repeated."
    return ApiError(message, code="internal_error")
