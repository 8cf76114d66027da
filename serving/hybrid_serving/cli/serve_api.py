"""Ray Serve's REST API on the dashboard port: put a document, read where its application stands.

Reads and writes only; waiting and deciding belong to the caller. The answers are Ray's, so they are picked apart here
and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from hybrid_serving.cli.failures import Failure, one_sentence

_PATH = "/api/serve/applications/"

RUNNING = "RUNNING"
FAILED = "DEPLOY_FAILED"


class Unready(Failure):
    """Ray could not do it now; on a busy machine its parts may still be starting, or slow."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as Serve sees it."""

    name: str
    status: str
    message: str
    running: int
    """Replicas that take requests."""
    target: int
    """Replicas that there shall be."""
    pids: tuple[int, ...] = ()
    """Processes of its replicas, in every state."""


@dataclass(frozen=True, slots=True)
class Application:
    """One application as Serve sees it."""

    name: str
    status: str
    message: str
    deployments: tuple[Deployment, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    """What was put for it."""

    @property
    def trouble(self) -> str | None:
        """The last line of the traceback that a failing replica left; `None` while nothing fails."""
        messages = [self.message, *(deployment.message for deployment in self.deployments)]
        lines = (last_traceback_line(message) for message in messages)
        return next((line for line in lines if line), None)


class ServeApi:
    """The REST API of one Ray, with its token; use as a context manager."""

    def __init__(self, url: str, *, token: str, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60.0, transport=transport, trust_env=False)

    def put(self, document: Mapping[str, Any]) -> None:
        """Make `document` the whole of what is served."""
        answer = self._ask("PUT", document)
        if answer.is_server_error:
            raise Unready(f"Ray did not take the Serve document: {_reason(answer)}")
        if answer.is_error:
            raise Failure(f"Ray refused the Serve document with status {answer.status_code}: {_reason(answer)}")

    def application(self, name: str) -> Application | None:
        """Where an application stands; `None` before Serve knows of it."""
        answer = self._ask("GET")
        if answer.is_error:
            raise Unready(f"Ray did not tell its state, status {answer.status_code}: {_reason(answer)}")
        found = answer.json().get("applications", {}).get(name)
        return _application(name, found) if found else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _ask(self, method: str, document: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            return self._client.request(method, _PATH, json=document)
        except httpx.HTTPError as error:
            message = f"Ray's REST API at {self._client.base_url} did not answer: {one_sentence(error)}"
            raise Unready(f"{message}.") from error


def last_traceback_line(message: str) -> str | None:
    """What went wrong, out of a message with a Python traceback in it; `None` where there is no traceback."""
    if "Traceback (most recent call last)" not in message:
        return None
    # Lines of the innermost traceback are indented; what follows them is the error itself.
    tail = message.rsplit("Traceback (most recent call last)", 1)[1].splitlines()[1:]
    error = [line.strip() for line in tail if line.strip() and not line.startswith(" ")]
    return error[0] if error else None


def _application(name: str, found: Mapping[str, Any]) -> Application:
    deployments = tuple(_deployment(key, value) for key, value in found.get("deployments", {}).items())
    config = found.get("deployed_app_config") or {}
    return Application(name, str(found["status"]), str(found.get("message", "")), deployments, config)


def _deployment(name: str, found: Mapping[str, Any]) -> Deployment:
    states = [replica.get("state") for replica in found.get("replicas", [])]
    return Deployment(
        name=name,
        status=str(found["status"]),
        message=str(found.get("message", "")),
        running=states.count(RUNNING),
        target=int(found.get("target_num_replicas") or 0),
        pids=tuple(replica["pid"] for replica in found.get("replicas", []) if replica.get("pid")),
    )


def _reason(answer: httpx.Response) -> str:
    """The end of Ray's answer on one line; that is where its reason stands."""
    return " ".join(answer.text.split())[-300:]
