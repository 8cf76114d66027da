"""The limit on request bodies, which Ray Serve does not have.

Plain ASGI, because it must act before a byte of the body is kept, and must not keep any.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hybrid_serving.cloud.ingress.errors import ApiError


class BodyLimit:
    """Refuses bodies above a limit: by their declared length, else as soon as the count passes it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit_bytes: Callable[[], int],
        least_bytes: Mapping[str, int] = MappingProxyType({}),
        linger_seconds: float = 5.0,
    ) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._least_bytes = least_bytes
        """By path, what may always be sent there."""
        self._linger_seconds = linger_seconds
        """How long the rest of a refused body is read and thrown away before the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = max(self._limit_bytes(), self._least_bytes.get(scope["path"], 0))
        counter = _Counter(receive, send, limit_bytes=limit_bytes, linger_seconds=self._linger_seconds)
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > counter.limit_bytes:
            await counter.refuse()
            return
        try:
            await self._app(scope, counter.receive, counter.send)
        except _TooLargeError as error:
            _let_go(error)
            await counter.refuse()


class _TooLargeError(Exception):
    """Unwinds the application; never leaves this module."""


def _let_go(error: BaseException | None) -> None:
    """Drop what was read of the body: frameworks tie its reader's frame into a cycle that lives until a collection."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


class _Counter:
    """One request's byte count; silences the application once the limit is passed."""

    def __init__(self, receive: Receive, send: Send, *, limit_bytes: int, linger_seconds: float) -> None:
        self.limit_bytes = limit_bytes
        self._linger_seconds = linger_seconds
        self._receive = receive
        self._send = send
        self._seen_bytes = 0
        self._has_started = False
        self._is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen_bytes += len(message.get("body", b""))
        if self._seen_bytes > self.limit_bytes:
            self._is_over = True
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        if self._is_over and not self._has_started:
            raise _TooLargeError  # the framework turned our exception into an answer of its own
        self._has_started = True
        await self._send(message)

    async def refuse(self) -> None:
        if self._has_started:
            return
        message = f"The body is larger than {self.limit_bytes} bytes, the limit of this service."
        response = ApiError(message, code="request_too_large").response()
        response.headers["connection"] = "close"
        start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": response.body, "more_body": True})
        await self._linger()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Throw the rest of the body away, for a while.

        Closing a connection with unread bytes resets it. The answer may then never arrive, and HAProxy 2.8 has been
        seen to leave such a request hanging, with its client, until its client timeout.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger_seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
