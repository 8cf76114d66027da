"""How the API server is reached: its address, and HTTP sessions that carry the credentials.

A service account's token is replaced in its file before it expires, so the file is read again and again; nothing here
keeps a token for long, and none is ever logged.
"""

import asyncio
import socket
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import kopf

_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_LOOK_AGAIN_SECONDS = 30.0
_CLOSE_SECONDS = 5.0


class NoConnectionError(RuntimeError):
    """Nothing says where the API server is."""


class _TokenFile:
    """Puts the token that is in the file now, at most half a minute ago, on every request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._read_at = float("-inf")

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        now = time.monotonic()
        if now - self._read_at > _LOOK_AGAIN_SECONDS:
            self._token, self._read_at = self._path.read_text(encoding="utf-8").strip(), now
        request.headers["Authorization"] = f"Bearer {self._token}"
        return await handler(request)


class _Sockets:
    """What a session has opened.

    An answer that is given up, such as a watch, leaves its connection to the farewell of TLS, and aiohttp forgets it:
    its session is closed long before it, or never where the server does not answer.
    """

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def open(self, address: tuple[Any, ...]) -> socket.socket:
        """An unconnected socket for what `getaddrinfo` found."""
        family, kind, protocol, *_ = address
        opened = socket.socket(family, kind, protocol)
        self._open.add(opened)
        return opened

    async def end(self) -> None:
        """Cut what is still open, and wait until the event loop has closed it."""
        for each in list(self._open):
            with suppress(OSError):  # closed, or never connected
                each.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while any(each.fileno() != -1 for each in list(self._open)):  # noqa: ASYNC110  nobody tells when
                    await asyncio.sleep(0.001)


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server, and who asks it."""

    _info: kopf.ConnectionInfo
    _token_file: Path | None = None

    @property
    def server(self) -> str:
        """The server's URL without a slash at the end."""
        return self._info.server.rstrip("/")

    @asynccontextmanager
    async def open_session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session for the running event loop; at the end none of its connections is left."""
        sockets = _Sockets()
        connector = aiohttp.TCPConnector(limit=0, ssl=self._info.as_ssl_context(), socket_factory=sockets.open)
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": "hybrid-diffusion-operator", **self._info.as_http_headers()},
                middlewares=(_TokenFile(self._token_file),) if self._token_file else (),
            ) as session:
                yield session
        finally:
            await sockets.end()


def find() -> Connection:
    """The API server of the cluster that this process runs in, else that of the kubeconfig's current context."""
    settings = kopf.OperatorSettings()
    if info := kopf.login_with_service_account(settings=settings):
        return Connection(info, _token_file=_TOKEN)
    if info := kopf.login_with_kubeconfig(settings=settings):
        return Connection(info)
    raise NoConnectionError(
        "Found neither a service account nor a kubeconfig; run in a pod, or name a file in the variable KUBECONFIG."
    )
