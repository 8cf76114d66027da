"""Refusals and failures in the shape of the OpenAI API, and the one table of their status codes.

Must not decide anything: whoever raises an `ApiError` names its code, this module says what the code means on the wire.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from starlette.responses import Response

Code = Literal[
    "deadline_exceeded",
    "handoff_expired",
    "handoff_invalid",
    "handoff_network_changed",
    "idempotency_key_reused",
    "internal_error",
    "invalid_api_key",
    "invalid_json",
    "invalid_value",
    "method_not_allowed",
    "missing_required_parameter",
    "model_not_found",
    "no_signing_key",
    "not_found",
    "rate_limit_exceeded",
    "receipt_invalid",
    "request_cancelled",
    "request_too_large",
    "segment_unavailable",
    "unknown_parameter",
    "unsupported_parameter",
]

TABLE: Mapping[Code, tuple[int, str]] = {
    "invalid_json": (400, "invalid_request_error"),
    "invalid_value": (400, "invalid_request_error"),
    "missing_required_parameter": (400, "invalid_request_error"),
    "unknown_parameter": (400, "invalid_request_error"),
    "unsupported_parameter": (400, "invalid_request_error"),
    "handoff_invalid": (400, "invalid_request_error"),
    "receipt_invalid": (400, "invalid_request_error"),
    "invalid_api_key": (401, "authentication_error"),
    "model_not_found": (404, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "method_not_allowed": (405, "invalid_request_error"),
    "handoff_expired": (410, "invalid_request_error"),
    "handoff_network_changed": (410, "invalid_request_error"),
    "request_too_large": (413, "invalid_request_error"),
    "idempotency_key_reused": (422, "idempotency_error"),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "request_cancelled": (499, "invalid_request_error"),
    "internal_error": (500, "server_error"),
    "no_signing_key": (503, "server_error"),
    "segment_unavailable": (503, "server_error"),
    "deadline_exceeded": (504, "server_error"),
}
"""Status and type of every code. Clients retry 429 and 5xx by themselves, so nothing hopeless may carry those."""


class ApiError(Exception):
    """An answer other than success; `code` decides status and type."""

    def __init__(
        self, message: str, *, code: Code, param: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code: Code = code
        self.param = param
        self.retry_after_seconds = retry_after_seconds

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return TABLE[self.code][0]

    def body(self) -> dict[str, Any]:
        """The `{"error": …}` object that the official clients read."""
        error = {"message": self.message, "type": TABLE[self.code][1], "param": self.param, "code": self.code}
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer: when to come back, how to authenticate."""
        if self.retry_after_seconds is not None:
            return {"retry-after": str(self.retry_after_seconds)}
        return {"www-authenticate": "Bearer"} if self.status == 401 else {}

    def response(self) -> Response:
        """The answer itself."""
        return json_response(self.body(), status=self.status, headers=self.headers())


def json_response(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json_bytes(content), status_code=status, headers=dict(headers or {}), media_type="application/json")


def json_bytes(content: object) -> bytes:
    """JSON in pure ASCII: a lone surrogate out of a client's text must not fail the encoding of our answer."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
