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


@pytest.mark.parametrize(
    ("change", "cause", "deadline"),
    [
        pytest.param(_image_that_is_nowhere, "nothing:here", 90.0, id="image"),
        pytest.param(_model_that_is_nowhere, "/models/nowhere", 90.0, id="engine", marks=pytest.mark.full),
        # This one builds its engines before it can crash.
        pytest.param(_key_that_crashes_the_ingress, "Ed25519", 240.0, id="application", marks=pytest.mark.full),
    ],
)
def test_what_is_broken_is_rolled_back_and_undone_without_a_roll(
    change: Callable[[Spec], None], cause: str, deadline: float, shapes: Resource
) -> None:
    serving, pods, spec = shapes.revision(), shapes.pod_names(), shapes.spec()
    try:
        broken = copy.deepcopy(spec)
        change(broken)
        shapes.cluster.apply([_SHORT_SEED])
        broken["rollout"] = {"progressDeadline": f"{deadline:.0f}s"}
        shapes.patch(broken)
        _draw_until_taken_back(shapes, deadline)
        ready, stalled = shapes.condition("Ready"), shapes.condition("Stalled")
        print(f"\n{stalled['message']}")
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
            what=lambda: f"the change is taken back: {shapes.condition('Ready')}",
        )
