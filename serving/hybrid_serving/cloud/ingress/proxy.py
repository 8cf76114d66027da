"""What stands before Ray Serve's own HTTP handling: it takes away headers with which clients would steer Serve.

Named in the environment of every Ray node as `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`. With these headers any client
could lift the time limit of requests, or have its request go on after it left.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

_TAKEN_AWAY = frozenset({b"x-request-timeout-seconds", b"x-request-disconnect-disabled"})


class StripHeaders:
    """Takes away what only Serve's operator may say."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without those headers."""
        if "headers" in scope:
            headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _TAKEN_AWAY]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Serve calls."""
    return [Middleware(StripHeaders)]
