"""An audit log is read as what a service account needs to be allowed."""

import json
from pathlib import Path
from typing import Any

from e2e import rights

_WHO = {"account": "operator", "namespace": "system"}
_USER = "system:serviceaccount:system:operator"


def logged(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def an_event(verb: str, resource: str, *, code: int = 200, decision: str = "allow", **about: str) -> dict[str, Any]:
    return {
        "verb": verb,
        "user": {"username": about.pop("user", _USER)},
        "objectRef": {"resource": resource, **about},
        "responseStatus": {"code": code},
        "annotations": {"authorization.k8s.io/decision": decision},
    }


def test_requests_of_others_are_not_counted(tmp_path: Path) -> None:
    log = logged(tmp_path / "log", an_event("get", "pods", user="admin"), an_event("list", "pods"))
    assert rights.used(log, **_WHO) == {("", "pods", "list")}


def test_a_subresource_is_a_right_of_its_own(tmp_path: Path) -> None:
    log = logged(tmp_path / "log", an_event("patch", "things", subresource="status", apiGroup="example.io"))
    assert rights.used(log, **_WHO) == {("example.io", "things/status", "patch")}


def test_an_apply_that_made_the_object_needs_create_too(tmp_path: Path) -> None:
    log = logged(tmp_path / "log", an_event("patch", "services", code=201))
    assert rights.used(log, **_WHO) == {("", "services", "patch"), ("", "services", "create")}


def test_a_refused_request_is_told_apart(tmp_path: Path) -> None:
    log = logged(tmp_path / "log", an_event("delete", "pods", code=403, decision="forbid"), an_event("get", "pods"))
    assert rights.refused(log, **_WHO) == {("", "pods", "delete")}
