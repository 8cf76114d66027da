"""One request to the API server and its answer: the only place that holds an HTTP session to it.

It knows nothing of kinds, owners or leadership, and tries nothing twice. Tests put their faults here.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from hybrid_operator.cluster_errors import Unreachable

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
"""Server-side apply; JSON is YAML too."""
MERGE = "application/merge-patch+json"
"""What is written changes, `null` deletes, the rest stays."""

_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = _TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    """Parsed where it is JSON, else bytes."""
    retry_after: str | None = None


class Transport(Protocol):
    """Carries one request; raises `Unreachable` where no answer came."""

    async def send(self, request: Request) -> Answer:
        """Ask once."""


class HttpTransport:
    """Requests over a session that carries the credentials."""

    def __init__(self, session: aiohttp.ClientSession, *, server: str, guard: Callable[[], None]) -> None:
        self._session = session
        self._server = server
        self._guard = guard

    async def send(self, request: Request) -> Answer:
        """Ask once."""
        headers = {"Accept": request.accept, **request.headers}
        data = None
        if request.body is not None:
            headers["Content-Type"] = request.content_type
            data = self._guarded(json.dumps(request.body, separators=(",", ":")).encode())
        try:
            async with self._session.request(
                request.method,
                self._server + request.path,
                params=request.params,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=request.timeout_seconds),
            ) as response:
                return Answer(
                    status=response.status,
                    body=_parsed(await response.read(), response.content_type),
                    retry_after=response.headers.get("Retry-After"),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = str(error) or type(error).__name__
            raise Unreachable(f"{request.method} {request.path} got no answer: {detail}.") from error

    async def _guarded(self, body: bytes) -> AsyncIterator[bytes]:
        """The body, unless leadership was lost while the connection was made; what is cut here is never acted upon."""
        self._guard()
        yield body


def _parsed(content: bytes, content_type: str) -> Any:
    if content_type != JSON:
        return content
    return json.loads(content) if content else None
