"""How a replica learns that it drains: it looks itself up in Ray Serve's status, each second.

Serve tells a replica of its end only when its last request has ended, which is too late to hand them over. This module
reads the status by HTTP and calls back once; it imports no Ray and decides nothing else.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.request import Request, urlopen

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 1.0
PATH = "/api/serve/applications/"
STOPPING = "STOPPING"


def read_status(url: str, *, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Serve's status from the dashboard at `url`; raises `OSError` where it cannot be had."""
    request = Request(url.rstrip("/") + PATH, headers=dict(headers))  # noqa: S310  (the address is Ray's own)
    with urlopen(request, timeout=PERIOD_SECONDS * 5) as answer:  # noqa: S310
        status: Mapping[str, Any] = json.load(answer)
    return status


def state_of(status: Mapping[str, Any], replica_id: str) -> str | None:
    """The replica's state, or `None` where the status does not have it."""
    for application in status.get("applications", {}).values():
        for deployment in application.get("deployments", {}).values():
            for replica in deployment.get("replicas", ()):
                if replica.get("replica_id") == replica_id:
                    return str(replica.get("state"))
    return None


class DrainWatch:
    """Looks every period, on a thread of its own, until the replica drains or `stop`."""

    def __init__(
        self,
        read: Callable[[], Mapping[str, Any]],
        *,
        replica_id: str,
        on_drain: Callable[[], None],
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._read = read
        self._replica_id = replica_id
        self._on_drain = on_drain
        self._period_seconds = period_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="drain-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until it looks no more."""
        self._thread.join()

    def _watch(self) -> None:
        is_readable = True
        while not self._stopped.wait(self._period_seconds):
            try:
                state = state_of(self._read(), self._replica_id)
            except Exception as error:  # noqa: BLE001  # the outermost loop of this thread
                # The head may be away for minutes, or be torn off in an answer; replicas then go on as they are.
                if is_readable:
                    logger.warning("Serve's status cannot be read, so a drain would not be seen: %s", error)
                is_readable = False
                continue
            is_readable = True
            if state == STOPPING:
                logger.info("This replica drains; its work is handed over.")
                self._on_drain()
                return
