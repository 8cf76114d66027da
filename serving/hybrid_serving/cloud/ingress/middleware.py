"""What stands before the routes: failures become answers, requests get an id, keys are checked before a body is read.

Plain ASGI, because these must act before the framework parses anything.
"""

import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hybrid_api import metric_names
from hybrid_serving.cloud.ingress.auth import ApiKeys
from hybrid_serving.cloud.ingress.failures import answer_to
from hybrid_serving.cloud.metrics import Meter

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
_NEEDS_KEY = "/v1/"


class RequestId:
    """Gives every request an id, the client's own where it is sane, and returns it in `x-request-id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id in `scope["state"]`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class Failures:
    """Turns whatever escapes the routes into an answer in the shape of the API."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a failure after the first byte is not ours to answer and goes on up."""
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:
            if scope["type"] != "http" or has_started:
                raise
            await answer_to(error).response()(scope, receive, send)


class Counting:
    """Counts answers by route and status, and times them to their last byte."""

    def __init__(self, app: ASGIApp, *, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what is answered."""
        began = time.monotonic()

        async def counting_send(message: Message) -> None:
            # The template, never the path itself: paths are the client's to invent.
            path = getattr(scope.get("route"), "path", "none")
            if message["type"] == "http.response.start":
                self._meter.add(metric_names.REQUESTS, 1, {"path": path, "status": str(message["status"])})
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._meter.observe(metric_names.REQUEST_SECONDS, time.monotonic() - began, {"path": path})

        await self._app(scope, receive, counting_send)


class Authentication:
    """Asks for an API key on every `/v1/` route, and notes whose it is."""

    def __init__(self, app: ASGIApp, *, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its tenant in `scope["state"]`; raises `ApiError` otherwise."""
        if scope["type"] == "http" and scope["path"].startswith(_NEEDS_KEY):
            headers = Headers(scope=scope)
            # A proxy on the way, such as Kubernetes' API server, may keep `Authorization` for itself.
            authorization = headers.get("x-hybrid-authorization") or headers.get("authorization")
            scope.setdefault("state", {})["tenant"] = self._keys.tenant(authorization)
        await self._app(scope, receive, send)
