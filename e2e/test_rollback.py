"""A change that cannot work is taken back by itself, and says why; the old revision serves all the while."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from e2e import resource
from e2e.cluster.cluster import Manifest
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = pytest.mark.timeout(900)

_DEADLINE_SECONDS = 90.0
_SHORT_SEED: Manifest = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "short-seed", "namespace": "default"},
    "stringData": {"key-1": "c2hvcnQ="},
}

Spec = dict[str, Any]


def _image_that_is_nowhere(spec: Spec) -> None:
    spec["kubeRay"]["image"] = "localhost/hybrid-diffusion/nothing:here"


def _model_that_is_nowhere(spec: Spec) -> None:
    spec["segments"][0]["model"]["uri"] = "file:///models/nowhere"


def _key_that_crashes_the_ingress(spec: Spec) -> None:
    spec["handoff"]["signingKeySecretRef"]["name"] = "short-seed"


_BROKEN: dict[str, tuple[Callable[[Spec], None], str]] = {
    "an image": (_image_that_is_nowhere, "nothing:here"),
    "an engine": (_model_that_is_nowhere, "/models/nowhere"),
    "an application": (_key_that_crashes_the_ingress, "Ed25519"),
}
_FULL = [what for what in _BROKEN if what != "an image"]
_DEADLINES = {"an application": 240.0}
"""Seconds, where 90 are too short: this one builds its engines before it can crash."""


@pytest.mark.parametrize("what", ["an image", *(pytest.param(each, marks=pytest.mark.full) for each in _FULL)])
def test_what_is_broken_is_rolled_back_and_undone_without_a_roll(what: str, shapes: Resource) -> None:
    change, cause = _BROKEN[what]
    serving, pods, spec = shapes.revision(), shapes.pod_names(), shapes.spec()
    try:
        broken = copy.deepcopy(spec)
        change(broken)
        shapes.cluster.apply([_SHORT_SEED])
        deadline = _DEADLINES.get(what, _DEADLINE_SECONDS)
        broken["rollout"] = {"progressDeadline": f"{deadline:.0f}s"}
        shapes.patch(broken)
        _draw_until_taken_back(shapes, deadline)
        ready, stalled = shapes.condition("Ready"), shapes.condition("Stalled")
        print(f"\n{what}: {stalled['message']}")
        assert (ready["status"], ready["reason"]) == ("False", "RolledBack"), ready
        assert cause in stalled["message"]
        assert shapes.condition("Available")["status"] == "True"
        assert shapes.revision() == serving
        assert shapes.status()["revisions"]["rejected"]["revision"] != serving
    finally:
        shapes.patch({**spec, "kubeRay": {"image": None, **spec["kubeRay"]}, "rollout": None})
    shapes.wait("Ready", seconds=60.0)
    assert shapes.pod_names() <= pods


def _draw_until_taken_back(shapes: Resource, deadline: float) -> None:
    with shapes.client() as client:
        eventually(
            lambda: resource.picture(client, model=shapes.name) and shapes.condition("Stalled").get("status") == "True",
            seconds=deadline + 60.0,
            what=f"the change is taken back: {shapes.condition('Ready')}",
        )
