"""Brings a Serve application to what is desired, and proves it with a picture.

Puts the document, waits, probes. Which Ray it talks to, and whose process that is, it does not know.
"""

import base64
import io
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from PIL import Image, UnidentifiedImageError

from hybrid_api.serve_config import INGRESS
from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.serve_api import FAILED, RUNNING, Application, ServeApi, Unready
from hybrid_serving.edge.client import Refused, Service, ServiceError, Unreachable
from hybrid_serving.ledger.keeper import PERIOD_SECONDS

Watch = Callable[[Application], None]

_POLL_SECONDS = 0.25
_LAST_INTERVAL_SECONDS = 1.5 * PERIOD_SECONDS
_PROBE_PROMPT = "a red circle"
_PROBE_STEPS = 4
_NOT_YET = frozenset({404, 502, 503})
"""What a proxy answers that has not heard of the new replicas."""


def apply(
    api: ServeApi,
    document: Mapping[str, Any],
    *,
    watch: Watch,
    check: Callable[[], None],
    timeout_seconds: float,
) -> None:
    """Put `document`, return once its application runs; `watch` sees every state, `check` raises when Ray is gone."""
    name = document["applications"][0]["name"]
    limit = time.monotonic() + timeout_seconds
    _put(api, document, check=check, limit=limit)
    while True:
        check()
        application = _look(api, name)
        if application is not None:
            watch(application)
            if application.status == RUNNING:
                return
            if application.status == FAILED:
                raise Failure(f"`{name}` could not be deployed: {_cause(application)}")
        if time.monotonic() > limit:
            cause = _cause(application) if application else "Serve has not heard of it."
            raise Failure(f"`{name}` did not run after {timeout_seconds:.0f} s: {cause}")
        time.sleep(_POLL_SECONDS)


def withdraw(api: ServeApi, document: Mapping[str, Any], *, watch: Watch, timeout_seconds: float) -> None:
    """Take the application of `document` away and wait until its workers have closed their books, but not for ever.

    The ingress is not waited for: behind HAProxy, Serve keeps it for half a minute. It has time for one more interval.
    """
    name, began = document["applications"][0]["name"], time.monotonic()
    with suppress(Failure):  # whatever cannot be done in order is ended with Ray
        api.put({**document, "applications": []})
        while (seconds := time.monotonic() - began) < timeout_seconds:
            application = api.application(name)
            if application is None or (seconds > _LAST_INTERVAL_SECONDS and not _workers(application)):
                return
            watch(application)
            time.sleep(_POLL_SECONDS)


def _workers(application: Application) -> int:
    """Processes of segments that are still there."""
    return sum(len(deployment.pids) for deployment in application.deployments if deployment.name != INGRESS)


def probe(service: Service, *, model: str, timeout_seconds: float) -> float:
    """Have one small picture drawn, as any client would; the answer is the seconds it took."""
    order = {"model": model, "prompt": _PROBE_PROMPT, "steps": _PROBE_STEPS, "seed": 0}
    limit = time.monotonic() + timeout_seconds
    while True:
        started = time.monotonic()
        try:
            answer = service.generate(order)
            _check_picture(answer)
            return time.monotonic() - started
        except (Unreachable, Refused) as error:
            is_early = isinstance(error, Unreachable) or error.status in _NOT_YET
            if not is_early or time.monotonic() > limit:
                raise Failure(f"The service runs but drew no picture: {error}") from error
        except ServiceError as error:
            raise Failure(f"The service runs but drew no picture: {error}") from error
        time.sleep(_POLL_SECONDS)


def _look(api: ServeApi, name: str) -> Application | None:
    """Where the application stands; `None` also where Ray is too busy to tell."""
    try:
        return api.application(name)
    except Unready:
        return None


def _put(api: ServeApi, document: Mapping[str, Any], *, check: Callable[[], None], limit: float) -> None:
    """Putting the same document twice is harmless, so it is put until Serve has started."""
    while True:
        try:
            api.put(document)
            return
        except Unready:
            check()
            if time.monotonic() > limit:
                raise
        time.sleep(_POLL_SECONDS)


def _cause(application: Application) -> str:
    return application.trouble or " ".join(application.message.split())[-300:] or f"its status is {application.status}."


def _check_picture(answer: Mapping[str, Any]) -> None:
    try:
        Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"]))).load()
    except (KeyError, IndexError, TypeError, ValueError, UnidentifiedImageError, OSError) as error:
        raise Failure("The service answered the first request with something that is no picture.") from error
