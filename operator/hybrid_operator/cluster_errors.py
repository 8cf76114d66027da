"""Why the API server did not do something: one small tree, one class for what somebody treats apart.

    ClusterError
    ├── Unreachable          no answer, so nobody knows whether it was done
    ├── NotLeading           not even asked, because another operator may lead
    ├── NameTaken            an object of our name belongs to somebody else
    └── Refused              an answer that is no success
        ├── NotFound  AlreadyExists  Conflict  Forbidden  Invalid
        ├── TooManyRequests  (retry_after_seconds)
        └── KindMissing      nobody installed this kind of object

Messages repeat the server's words, shortened; they name objects, never their content.
"""

from collections.abc import Mapping
from typing import Any

from hybrid_operator.kinds import Kind

_LONGEST = 400


class ClusterError(Exception):
    """Something in the cluster could not be done."""


class Unreachable(ClusterError):
    """The server gave no answer; a write may have happened."""


class NotLeading(ClusterError):
    """This process may no longer write."""


class NameTaken(ClusterError):
    """An object of a name that we need is not ours. It is never adopted."""

    def __init__(self, what: str, *, owner: str) -> None:
        super().__init__(
            f"Found {what}, which is not owned by `{owner}`; rename or delete it, or give the resource another name."
        )


class Refused(ClusterError):
    """The server answered, and not with success."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…")
        self.status = status


class NotFound(Refused):
    """There is no such object."""


class AlreadyExists(Refused):
    """There is such an object already."""


class Conflict(Refused):
    """The object is not the one, or not in the version, that was expected."""


class Forbidden(Refused):
    """A right is missing, or a quota is exhausted."""


class Invalid(Refused):
    """The server does not accept the object as written."""


class KindMissing(Refused):
    """The server does not know this kind of object: its definition is not installed."""


class WebhookFailed(Refused):
    """A policy's webhook does not answer, and the cluster lets nothing pass without it."""


class TooManyRequests(Refused):
    """The server asks for patience."""

    def __init__(self, message: str, *, status: int, retry_after_seconds: float) -> None:
        super().__init__(message, status=status)
        self.retry_after_seconds = retry_after_seconds


def refusal(status: int, body: Any, *, about: Kind, retry_after: str | None = None) -> Refused:
    """The error for an answer that is no success."""
    said: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    message = str(said.get("message") or body or f"status {status}").strip()
    details = said.get("details") or {}
    if status == 404 and not details.get("name"):
        # A missing object is named in the details; where a kind is missing, there are none.
        complaint = f"The API server has no kind `{about.name}` of `{about.api_version}`; install its definition."
        return KindMissing(complaint, status=status)
    if status == 409 and said.get("reason") == "AlreadyExists":
        return AlreadyExists(message, status=status)
    if status == 429:
        seconds = float(retry_after or details.get("retryAfterSeconds") or 1)
        return TooManyRequests(message, status=status, retry_after_seconds=seconds)
    if status == 500 and "failed calling webhook" in message:
        return WebhookFailed(message, status=status)
    return _BY_STATUS.get(status, Refused)(message, status=status)


_BY_STATUS: Mapping[int, type[Refused]] = {
    400: Invalid,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
}

_OBSTACLES: Mapping[type[ClusterError], str] = {
    NameTaken: "NameTaken",
    KindMissing: "KindMissing",
    Forbidden: "Forbidden",
    Invalid: "Refused",
    WebhookFailed: "WebhookFailed",
}
OBSTACLES = tuple(_OBSTACLES)
"""Refusals that stay until somebody does something, and so belong into status; others are simply tried again."""


def obstacle_of(error: ClusterError) -> str:
    """A condition's reason for one of `OBSTACLES`."""
    return next(reason for class_, reason in _OBSTACLES.items() if isinstance(error, class_))
