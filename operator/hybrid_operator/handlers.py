"""kopf as transport: watches the kinds and hands over what it hears. It decides nothing and writes nothing.

Only event handlers are registered: others would have kopf put finalizers and annotations on objects. kopf runs in a
thread and loop of its own, because it ends by cancelling every task of its loop and takes the process's signals for
itself.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, cast

import kopf

from hybrid_operator.children import LABEL_NAME
from hybrid_operator.connection import Connection
from hybrid_operator.kinds import CHILDREN, CONFIG_MAP, HYBRID_DIFFUSION, Kind

logger = logging.getLogger(__name__)

_CHUNK = 250
_REQUEST_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_IDENTITY = cast("Any", "hybrid-diffusion-operator")
"""For kopf's peering, which is off; without one kopf asks for the name of a user who may have none in a container."""


class Listener(Protocol):
    """Who is told, always in the loop that started the watch."""

    def seen(self, kind: Kind, manifest: Mapping[str, Any]) -> None:
        """An object is new or has changed."""

    def gone(self, kind: Kind, manifest: Mapping[str, Any]) -> None:
        """An object is no more."""


class WatchBroken(RuntimeError):
    """kopf gave up."""


class Watch:
    """One run of kopf over a fixed set of kinds."""

    def __init__(
        self, connection: Connection, *, kinds: Collection[Kind], namespaces: Collection[str], listener: Listener
    ) -> None:
        self._connection = connection
        self._kinds = kinds
        self._namespaces = namespaces
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    async def run(self) -> None:
        """Watch until cancelled; raises `WatchBroken` where kopf ends by itself."""
        self._thread.start()
        try:
            await asyncio.shield(self._ended)
        except Exception as error:
            raise WatchBroken(f"The watch ended: {type(error).__name__} {error}") from error
        else:
            raise WatchBroken("The watch ended though nobody stopped it.")
        finally:
            # Its thread is a daemon and ends by itself; nobody waits for it.
            self._stop.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._operate())
        except Exception as error:  # noqa: BLE001  the outermost frame of a thread: whatever it is goes to who waits
            self._tell(_finish, self._ended, error)
        else:
            self._tell(_finish, self._ended, None)

    async def _operate(self) -> None:
        registry = kopf.OperatorRegistry()
        for kind in self._kinds:
            self._register(kind, registry)
        async with self._connection.open_session() as session:

            async def login(**_: Any) -> kopf.AiohttpSession:
                return kopf.AiohttpSession(server=self._connection.server, aiohttp_session=session)

            kopf.on.login(registry=registry)(login)
            await kopf.operator(
                registry=registry,
                settings=_settings(self._kinds),
                namespaces=list(self._namespaces),
                clusterwide=not self._namespaces,
                identity=_IDENTITY,
                stop_flag=self._stop,
            )

    def _register(self, kind: Kind, registry: kopf.OperatorRegistry) -> None:
        where = (*kind.api_version.rpartition("/")[::2], kind.plural)

        async def on_event(*, body: Mapping[str, Any], type: str | None, **_: Any) -> None:  # noqa: A002  kopf's name
            self._tell(self._listener.gone if type == "DELETED" else self._listener.seen, kind, dict(body))

        kopf.on.event(*where, registry=registry, id=f"event-{kind.plural}")(on_event)

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: the process ends
            logger.debug("Nobody listens any more.")


def _finish(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error:
        ended.set_exception(error)
    else:
        ended.set_result(None)


def _settings(kinds: Collection[Kind]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # exclusion is the Lease's
    settings.scanning.disabled = True  # needs rights over the whole cluster; new kinds are looked for in `resync`
    settings.posting.enabled = False
    settings.networking.request_timeout = _REQUEST_SECONDS
    settings.networking.connect_timeout = _CONNECT_SECONDS
    settings.watching.chunk_size = _CHUNK
    settings.queueing.idle_timeout = 1.0
    for kind in kinds:
        if kind in CHILDREN:
            settings.watching.label_selectors[kind.group, kind.plural] = LABEL_NAME
    return settings


def watched(present: Collection[Kind]) -> tuple[Kind, ...]:
    """The kinds to watch, of those that are installed."""
    return tuple(kind for kind in (HYBRID_DIFFUSION, CONFIG_MAP, *CHILDREN) if kind in present)
