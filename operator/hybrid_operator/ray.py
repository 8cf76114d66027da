"""What a RayService's status says of the application in it.

KubeRay's condition `Ready` only means that some endpoint exists; whether the application runs is in
`applicationStatuses`, which KubeRay copies from Ray Serve. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hybrid_operator.observed import Failure, Stage

_TERMINAL = ("ValidationFailed", "InitializingTimeout")
"""Reasons of KubeRay's `Ready` after which it does nothing more for this object."""
_WORKING = {"RUNNING", "DEPLOYING"}
"""What Ray Serve calls an application of which no replica that ran has failed."""
_TRACEBACK = "Traceback (most recent call last)"
_LONGEST = 300

REFUSED = "RayServiceRefused"
FAILED = "ApplicationFailed"
NOT_RUNNING = "ApplicationNotRunning"
CRASHES = "ApplicationCrashes"
"""It is tried again, and has a traceback to show."""


def stage(ray_service: Mapping[str, Any]) -> tuple[Stage, Failure | None]:
    """How far a RayService is; with `FAILED` comes why, with `STARTING` what stands in the way, if it is known."""
    if ray_service["metadata"].get("deletionTimestamp"):
        return Stage.ENDING, None
    name, status = ray_service["metadata"]["name"], ray_service.get("status") or {}
    if refusal := _terminal(status):
        return Stage.FAILED, Failure(REFUSED, f"KubeRay gave RayService `{name}` up: {refusal}")
    applications = _applications(status)
    for application in applications.values():
        if application.get("status") == "DEPLOY_FAILED":
            return Stage.FAILED, Failure(FAILED, f"RayService `{name}`: {_cause(application)}")
    states = {each.get("status") for each in applications.values()}
    if states == {"RUNNING"}:
        return Stage.DONE, None
    messages = [message for application in applications.values() for message in _messages(application)]
    is_deploying = bool(states) and states <= _WORKING
    return Stage.DEPLOYING if is_deploying else Stage.STARTING, _trouble(f"RayService `{name}`", messages)


def is_current(ray_service: Mapping[str, Any]) -> bool:
    """Whether KubeRay has seen the newest version of the RayService."""
    status = ray_service.get("status") or {}
    return int(status.get("observedGeneration", 0)) >= int(ray_service["metadata"].get("generation", 0))


def cluster_name(ray_service: Mapping[str, Any]) -> str:
    """The RayCluster that works for a RayService; empty while there is none."""
    status = ray_service.get("status") or {}
    sides = (status.get("activeServiceStatus"), status.get("pendingServiceStatus"))
    return next((side["rayClusterName"] for side in sides if side and side.get("rayClusterName")), "")


def last_line(message: str) -> str:
    """What went wrong, out of a message that may hold Python tracebacks; on one line, not too long."""
    if _TRACEBACK in message:
        # Lines of the innermost traceback are indented; what follows them is the error itself.
        tail = message.rsplit(_TRACEBACK, 1)[1].splitlines()[1:]
        message = next((line for line in tail if line.strip() and not line.startswith(" ")), message)
    text = " ".join(message.split())
    return text if len(text) <= _LONGEST else "…" + text[1 - _LONGEST :]


def _terminal(status: Mapping[str, Any]) -> str | None:
    for condition in status.get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "False" and condition["reason"] in _TERMINAL:
            return str(condition.get("message") or condition["reason"])
    return None


def _applications(status: Mapping[str, Any]) -> Mapping[str, Any]:
    sides = (status.get("activeServiceStatus"), status.get("pendingServiceStatus"))
    return next((side["applicationStatuses"] for side in sides if side and side.get("applicationStatuses")), {})


def _cause(application: Mapping[str, Any]) -> str:
    found = _most_telling(list(_messages(application)))
    return found or f"Ray Serve gave it up without a message, its status is {application['status']}."


def _trouble(who: str, messages: Sequence[str]) -> Failure | None:
    said = _most_telling(messages)
    reason = CRASHES if any(_TRACEBACK in message for message in messages) else NOT_RUNNING
    return Failure(reason, f"{who}: {said}") if said else None


def _most_telling(messages: Sequence[str]) -> str:
    """The message with a traceback in it, else any; messages of healthy deployments say nothing."""
    with_traceback = (message for message in messages if _TRACEBACK in message)
    return last_line(next(with_traceback, messages[0] if messages else ""))


def _messages(application: Mapping[str, Any]) -> Iterator[str]:
    for deployment in (application.get("serveDeploymentStatuses") or {}).values():
        if deployment.get("message") and deployment.get("status") != "HEALTHY":
            yield str(deployment["message"])
    if application.get("message"):
        yield str(application["message"])
