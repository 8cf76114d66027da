"""The service's HTTP API as a device or a command line calls it.

Sends and receives; it decides nothing and computes no pixel. Every way of not getting an answer is a `ServiceError`
with the service's own sentence where it gave one. Needs no Ray.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from hybrid_serving.handoff import MEDIA_TYPE, RECEIPT_HEADER

_CONNECT_SECONDS = 5.0
_CONNECT_RETRIES = 2
_REPEATS = 2
_TRY_LATER = (429, 503)
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""What would fail again."""
_PAUSE_SECONDS = 0.5
"""Before a repeat, where the service does not say how long."""
_LONGEST_PAUSE_SECONDS = 10.0


class ServiceError(Exception):
    """The service did not do what it was asked."""


class Unreachable(ServiceError):  # what happened
    """No answer came; nothing is known about what the service did."""


class Refused(ServiceError):
    """The service answered with an error; `code` is the one of its API."""

    def __init__(
        self, message: str, *, status: int, code: str | None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        """When the service said to come back."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a device was sent."""

    data: bytes
    """The handoff, unverified."""
    receipt: str | None
    """The cloud's part of the bill, to be sent along with whatever is said about the handoff."""


class Service:
    """One service by its URL and API key; use as a context manager."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_seconds: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._timeout_seconds = timeout_seconds
        self._client = httpx.Client(
            base_url=self.url,
            headers=_authorization(key),
            timeout=httpx.Timeout(timeout_seconds, connect=_CONNECT_SECONDS),
            transport=transport or httpx.HTTPTransport(retries=_CONNECT_RETRIES),
        )

    def capabilities(self) -> dict[str, Any]:
        """What the service can do, and the public keys it signs with."""
        document = _document(self._ask("GET", "/v1/capabilities"))
        if missing := {"segments", "signing_keys", "defaults"} - document.keys():
            names = ", ".join(f"`{name}`" for name in sorted(missing))
            raise ServiceError(f"{self.url} does not tell {names}; is it a Hybrid Diffusion service?")
        return document

    def generate(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Pictures for an order (the body of an image generation)."""
        return _document(self._ask("POST", "/v1/images/generations", body=_json(order), headers=_json_headers()))

    def stream(self, order: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of an order, previews first, pictures last."""
        content = _json({**order, "stream": True})
        headers = {**_json_headers(), "Accept": "text/event-stream"}
        try:
            with self._client.stream("POST", "/v1/images/generations", content=content, headers=headers) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refusal(answer)
                yield from _events(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def request_handoff(self, order: Mapping[str, Any], *, device: Mapping[str, float] | None = None) -> HandedOver:
        """Let the cloud run to the split."""
        body = _json({**order, "device": device} if device else order)
        headers = {**_json_headers(), "Accept": MEDIA_TYPE}
        answer = self._ask("POST", "/v1/handoffs", body=body, headers=headers)
        if not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
            found = answer.headers.get("content-type", "nothing")
            raise ServiceError(f"The service answered with `{found}`, expected a handoff (`{MEDIA_TYPE}`).")
        return HandedOver(data=answer.content, receipt=answer.headers.get(RECEIPT_HEADER))

    def finish_handoff(self, given: HandedOver) -> dict[str, Any]:
        """Give a handoff back, unchanged; the cloud finishes the picture."""
        headers = {"Content-Type": MEDIA_TYPE, **_idempotency(), **_receipt(given)}
        return _document(self._ask("POST", "/v1/handoffs/finish", body=given.data, headers=headers))

    def report(self, handoff_id: str, *, given: HandedOver, seconds: float, steps: int) -> dict[str, Any]:
        """Tell what a device did with a handoff; the answer has the cost of the picture."""
        body, headers = _json({"seconds": seconds, "steps": steps}), {**_json_headers(), **_receipt(given)}
        return _document(self._ask("POST", f"/v1/handoffs/{handoff_id}/report", body=body, headers=headers))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer to a request, which is repeated unchanged where it was lost or came too early."""
        limit = time.monotonic() + self._timeout_seconds
        for _ in range(_REPEATS):
            try:
                return self._ask_once(method, path, body=body, headers=headers, limit=limit)
            except (Unreachable, Refused) as error:
                pause_seconds = _pause_seconds(error)
                if pause_seconds is None or time.monotonic() + pause_seconds >= limit:
                    raise
            time.sleep(pause_seconds)
        return self._ask_once(method, path, body=body, headers=headers, limit=limit)

    def _ask_once(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str] | None, limit: float
    ) -> httpx.Response:
        timeout = httpx.Timeout(max(0.0, limit - time.monotonic()), connect=_CONNECT_SECONDS)
        try:
            answer = self._client.request(method, path, content=body, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise _refusal(answer)
        return answer

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(f"No answer from {self.url} ({reason}); check the URL and that the service runs.")


def _receipt(given: HandedOver) -> dict[str, str]:
    return {} if given.receipt is None else {RECEIPT_HEADER: given.receipt}


def _authorization(key: str | None) -> dict[str, str]:
    """The header with the key; messages of whoever sends it would repeat one that is no header."""
    stripped = (key or "").strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise ServiceError("The API key has characters that are not printable ASCII; copy it anew.")
    return {"Authorization": f"Bearer {stripped}"} if stripped else {}


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError as error:
        raise ServiceError(f"{answer.url} did not answer with JSON; is it a Hybrid Diffusion service?") from error
    if not isinstance(document, dict):
        raise ServiceError(f"{answer.url} answered with JSON that is no object; is it a Hybrid Diffusion service?")
    return document


def _refusal(answer: httpx.Response) -> Refused:
    """The service's own sentence where it speaks the OpenAI error shape, the status otherwise."""
    try:
        error = answer.json()["error"]
        message, code = str(error["message"]), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code = f"{answer.url} answered with status {answer.status_code}.", None
    told = answer.headers.get("retry-after", "")
    seconds = float(told) if told.isascii() and told.isdigit() else None
    return Refused(message, status=answer.status_code, code=code, retry_after_seconds=seconds)


def _pause_seconds(error: Unreachable | Refused) -> float | None:
    """How long to wait before asking again; `None` where that would not help."""
    if isinstance(error, Unreachable):
        return None if isinstance(error.__cause__, _HOPELESS) else _PAUSE_SECONDS
    if error.status not in _TRY_LATER:
        return None
    told = error.retry_after_seconds
    return _PAUSE_SECONDS if told is None else min(told, _LONGEST_PAUSE_SECONDS)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Server-sent events; comments keep the connection alive and say nothing."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").strip())
        elif not line and data:
            event = json.loads("\n".join(data))
            data.clear()
            if event.get("type") == "error" or "error" in event:
                raise ServiceError(str(event.get("error", event).get("message", "The service failed while drawing.")))
            yield event


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _json_headers() -> dict[str, str]:
    return {"Content-Type": "application/json", **_idempotency()}


def _idempotency() -> dict[str, str]:
    """One key a call: a repeat after a lost connection joins the first attempt and is not drawn twice."""
    return {"Idempotency-Key": uuid.uuid4().hex}
