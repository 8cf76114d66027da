"""How the API server is reached: its address, and HTTP sessions that carry the credentials.

A service account's token is replaced in its file before it expires, so the file is read again and again; nothing here
keeps a token for long, and none is ever logged.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import kopf

_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_LOOK_AGAIN_SECONDS = 30.0


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


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server, and who asks it."""

    _info: kopf.ConnectionInfo
    _token_file: Path | None = None

    @property
    def server(self) -> str:
        """The server's URL without a slash at the end."""
        return self._info.server.rstrip("/")

    def open_session(self) -> aiohttp.ClientSession:
        """A session for the running event loop; whoever opens it closes it."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._info.as_ssl_context()),
            headers={"User-Agent": "hybrid-diffusion-operator", **self._info.as_http_headers()},
            middlewares=(_TokenFile(self._token_file),) if self._token_file else (),
        )


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
