"""The framework's own refusals in the shape of the OpenAI API, each naming the field and what it expected.

Rewords; it does not validate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hybrid_serving.cloud.ingress.errors import ApiError, Code
from hybrid_serving.cloud.ingress.schemas import (
    REFUSALS,
    DeviceProfile,
    GenerationRequest,
    HandoffReport,
    HandoffRequest,
)

_SHOWN_CHARACTERS = 40
_NAMED_CHARACTERS = 100
_BODIES: Mapping[str, type[BaseModel]] = {
    "/v1/handoffs": HandoffRequest,
    "/v1/handoffs/{handoff_id}/report": HandoffReport,
}
"""What other routes than generations take."""
_INNER: Mapping[str, type[BaseModel]] = {"device": DeviceProfile}
_BY_STATUS: Mapping[int, tuple[Code, str]] = {
    400: ("invalid_json", "The body cannot be read as JSON; send one JSON object in UTF-8."),
    404: ("not_found", "There is no such route; the routes are listed under /docs."),
    405: ("method_not_allowed", "The route does not take this method; the methods are listed under /docs."),
}


async def api(request: Request, error: Exception) -> Response:  # noqa: ARG001  # the framework's signature
    """An `ApiError` raised by a route."""
    assert isinstance(error, ApiError)
    return error.response()


async def http(request: Request, error: Exception) -> Response:  # noqa: ARG001  # the framework's signature
    """What routing and body parsing refuse."""
    assert isinstance(error, HTTPException)
    code, message = _BY_STATUS.get(error.status_code, ("internal_error", str(error.detail)))
    response = ApiError(message, code=code).response()
    response.headers.update(error.headers or {})
    return response


async def invalid(request: Request, error: Exception) -> Response:  # the framework's signature
    """A body or parameter that its schema refuses: the first complaint, as a sentence."""
    assert isinstance(error, RequestValidationError)
    body = _BODIES.get(getattr(request.scope.get("route"), "path", ""), GenerationRequest)
    return reworded(error.errors(), body=body).response()


def reworded(complaints: Sequence[Mapping[str, Any]], *, body: type[BaseModel]) -> ApiError:
    """The answer to what pydantic found; unknown fields first, because they explain the others."""
    complaint = min(complaints, key=lambda each: each["type"] != "extra_forbidden")
    kind = complaint["type"]
    path = [str(part) for part in complaint["loc"][1:]]
    if kind == "json_invalid":
        return ApiError(_BY_STATUS[400][1], code="invalid_json")
    if not path:
        message = "The body must be a JSON object, sent with `Content-Type: application/json`."
        return ApiError(message, code="invalid_json")
    field = path[0][:_NAMED_CHARACTERS]
    if (inner := _INNER.get(field)) and len(path) > 1:
        field, body = f"{field}.{path[1]}"[:_NAMED_CHARACTERS], inner
    if kind == "extra_forbidden":
        return _unknown(field, body=body)
    if kind == "missing":
        return ApiError(f"`{field}` is missing.", code="missing_required_parameter", param=field)
    found = _shown(complaint["input"])
    return ApiError(f"`{field}` is {found}: {_lower(complaint['msg'])}.", code="invalid_value", param=field)


def _unknown(field: str, *, body: type[BaseModel]) -> ApiError:
    if reason := REFUSALS.get(field):
        return ApiError(f"`{field}` is not supported: {reason}.", code="unsupported_parameter", param=field)
    known = ", ".join(body.model_fields)
    message = f"`{_shown(field)}` is not a field of this request; the fields are {known}."
    return ApiError(message, code="unknown_parameter", param=field)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
