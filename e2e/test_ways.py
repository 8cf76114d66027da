"""Where a resource came from leaves no trace: changed to and fro on a real cluster, it is what a new one would be."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import resource
from e2e.cluster.cluster import Cluster, Manifest
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

_SETTLED_SECONDS = 300.0
_KINDS = "rayservices,services,networkpolicies,poddisruptionbudgets"
_GIVEN = ("clusterIP", "clusterIPs")
"""Fields of a Service that the cluster chooses."""


def _sample(spec: Manifest) -> None:
    """As it is."""


def _split(spec: Manifest) -> None:
    """In place."""
    spec["segments"][0]["steps"] = {"value": "60%"}


def _buckets(spec: Manifest) -> None:
    """By a new revision."""
    spec["segments"][0]["engine"]["batchSizes"] = [1, 2, 4]


_SPECS = {"sample": _sample, "split": _split, "buckets": _buckets}
_WAYS = (("sample", "split"), ("split", "sample"), ("sample", "buckets"), ("buckets", "sample"))


@pytest.fixture(scope="module")
def fresh(operator: Cluster) -> Iterator[dict[str, str]]:
    """What each spec comes to where nothing was before. The last is left, so that the ways begin there."""
    found = {}
    try:
        for name in ("buckets", "split", "sample"):
            if found:
                Resource(operator).delete()
            _apply(operator, name)
            found[name] = _state(Resource(operator))
        yield found
    finally:
        Resource(operator).delete()


@pytest.mark.parametrize(("before", "after"), _WAYS)
def test_a_changed_resource_is_as_a_new_one(operator: Cluster, fresh: dict[str, str], before: str, after: str) -> None:
    shapes = Resource(operator)
    assert _state(shapes) == fresh[before]
    _apply(operator, after)
    assert _state(shapes) == fresh[after]


def _apply(cluster: Cluster, name: str) -> None:
    """Apply a spec, and return when nothing is under way."""
    shapes = Resource(cluster)
    shapes.apply(resource.sample(cluster, _SPECS[name]))

    def is_settled() -> bool:
        found = cluster.get(resource.KIND, shapes.name, f"--namespace={shapes.namespace}")
        conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", [])}
        return (
            found["metadata"]["generation"] == found.get("status", {}).get("observedGeneration")
            and conditions["Ready"]["status"] == "True"
            and conditions["Reconciling"]["status"] == "False"
        )

    eventually(is_settled, seconds=_SETTLED_SECONDS, what=lambda: f"`{name}` is settled: {shapes.condition('Ready')}")


def _state(shapes: Resource) -> str:
    """Everything that a user could tell apart, as text."""
    where, label = f"--namespace={shapes.namespace}", f"--selector=hybriddiffusion.io/name={shapes.name}"
    objects = {
        f"{each['kind']}/{each['metadata']['name']}": _chosen(each["spec"])
        for each in shapes.cluster.get(_KINDS, where, label)["items"]
    }
    status = shapes.status()
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    with shapes.client() as client:
        picture = resource.picture(client, model=shapes.name, seed=7)
    said = {"conditions": conditions, "serving": status["revisions"]["serving"]}
    found = {"objects": objects, "said": said, "picture": hashlib.sha256(picture).hexdigest()}
    return json.dumps(found, sort_keys=True, indent=1)


def _chosen(spec: Manifest) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in _GIVEN}
