"""A change that cannot work is taken back by itself, and says why; the old revision serves all the while."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from e2e import resource
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = pytest.mark.timeout(900)

_DEADLINE_SECONDS = 90.0

Spec = dict[str, Any]


def _image_that_is_nowhere(spec: Spec) -> None:
    spec["kubeRay"]["image"] = "localhost/hybrid-diffusion/nothing:here"


def _model_that_is_nowhere(spec: Spec) -> None:
    spec["segments"][0]["model"]["uri"] = "file:///models/nowhere"


def _ingress_that_has_no_room(spec: Spec) -> None:
    memory = {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    spec["ingress"]["podTemplate"] = {"spec": {"containers": [{"name": "ray", "resources": memory}]}}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(_image_that_is_nowhere, "nothing:here", id="image"),
        pytest.param(_model_that_is_nowhere, "/models/nowhere", id="engine", marks=pytest.mark.full),
        pytest.param(_ingress_that_has_no_room, "OOMKilled", id="application", marks=pytest.mark.full),
    ],
)
def test_what_is_broken_is_rolled_back_and_undone_without_a_roll(
    change: Callable[[Spec], None], cause: str, shapes: Resource
) -> None:
    serving, pods, spec = shapes.revision(), shapes.pod_names(), shapes.spec()
    try:
        broken = copy.deepcopy(spec)
        change(broken)
        broken["rollout"] = {"progressDeadline": f"{_DEADLINE_SECONDS:.0f}s"}
        shapes.patch(broken)
        _draw_until_taken_back(shapes)
        ready, stalled = shapes.condition("Ready"), shapes.condition("Stalled")
        print(f"\n{stalled['message']}")
        assert (ready["status"], ready["reason"]) == ("False", "RolledBack"), ready
        assert cause in stalled["message"]
        assert shapes.condition("Available")["status"] == "True"
        assert shapes.revision() == serving
        assert shapes.status()["revisions"]["rejected"]["revision"] != serving
    finally:
        shapes.patch(
            {
                **spec,
                "kubeRay": {"image": None, **spec["kubeRay"]},
                "ingress": {"podTemplate": None, **spec["ingress"]},
                "rollout": None,
            }
        )
    shapes.wait("Ready", seconds=60.0)
    assert shapes.revision() == serving
    eventually(lambda: shapes.pod_names() <= pods, seconds=60.0, what="only pods from before are left")


def _draw_until_taken_back(shapes: Resource) -> None:
    with shapes.client() as client:
        eventually(
            lambda: resource.picture(client, model=shapes.name) and shapes.condition("Stalled").get("status") == "True",
            seconds=_DEADLINE_SECONDS + 60.0,
            what=lambda: f"the change is taken back: {shapes.condition('Ready')}",
        )
