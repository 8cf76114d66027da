"""What the operator may do against what it did: the chart's roles beside the API server's audit log.

Both are sets of (API group, resource, verb). A right that nobody uses is too much, a refused request is one too few.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from e2e.cluster.cluster import Cluster

Right = tuple[str, str, str]

_UNSEEN: frozenset[Right] = frozenset(
    {
        # Asked for by admission where owner references are guarded, never by a request.
        ("hybriddiffusion.io", "hybriddiffusions/finalizers", "update"),
        # Objects that are only watched are fetched one by one where the watch missed something.
        ("", "pods", "get"),
        ("hybriddiffusion.io", "hybriddiffusions", "get"),
        ("ray.io", "rayclusters", "get"),
    }
)
"""Rights that a whole run need not use."""


def granted(cluster: Cluster, *, account: str, namespace: str) -> set[Right]:
    """What the roles bound to a service account allow."""
    rights: set[Right] = set()
    for kind, role_kind in (("clusterrolebindings", "clusterrole"), ("rolebindings", "role")):
        for binding in cluster.get(kind, "--all-namespaces")["items"]:
            if _is_bound(binding, account, namespace):
                where = [f"--namespace={each}"] if (each := binding["metadata"].get("namespace")) else []
                rights |= set(_rights_of(cluster.get(role_kind, binding["roleRef"]["name"], *where)["rules"]))
    return rights - _UNSEEN


def used(audit_log: Path, *, account: str, namespace: str) -> set[Right]:
    """What a service account asked for, and needs to be allowed."""
    rights: set[Right] = set()
    for event in _events(audit_log, f"system:serviceaccount:{namespace}:{account}"):
        right = _right(event)
        rights.add(right)
        # Applying what is not there creates it: the server asks for both rights and logs one request.
        if right[2] == "patch" and event["responseStatus"].get("code") == 201:
            rights.add((right[0], right[1], "create"))
    return rights


def refused(audit_log: Path, *, account: str, namespace: str) -> set[Right]:
    """What a service account asked for in vain."""
    events = _events(audit_log, f"system:serviceaccount:{namespace}:{account}")
    return {_right(event) for event in events if event["annotations"].get("authorization.k8s.io/decision") == "forbid"}


def _events(audit_log: Path, user: str) -> Iterator[dict[str, Any]]:
    with audit_log.open(encoding="utf-8") as lines:
        for line in lines:
            if user in line and (event := json.loads(line))["user"]["username"] == user and "objectRef" in event:
                yield event


def _right(event: dict[str, Any]) -> Right:
    about = event["objectRef"]
    resource = "/".join(part for part in (about["resource"], about.get("subresource")) if part)
    return about.get("apiGroup", ""), resource, event["verb"]


def _rights_of(rules: Iterable[dict[str, Any]]) -> Iterator[Right]:
    for rule in rules:
        for group in rule.get("apiGroups", []):
            for resource in rule.get("resources", []):
                for verb in rule["verbs"]:
                    yield group, resource, verb


def _is_bound(binding: dict[str, Any], account: str, namespace: str) -> bool:
    return any(
        (each["kind"], each["name"], each.get("namespace")) == ("ServiceAccount", account, namespace)
        for each in binding.get("subjects", [])
    )
