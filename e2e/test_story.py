"""The story of a platform engineer on a real cluster: install, apply, wait, ask, change, delete.

What each step took is printed; tests assert order and outcome, and only the limits that are promised.
"""

import time
from typing import Any

import pytest

from e2e import release, resource
from e2e.cluster.cluster import Cluster
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

ROLLED_SECONDS = 300.0
"""Nothing is promised of how long that takes; it is printed."""
APPLIED_SECONDS = 15.0


def test_the_release_passes_its_own_test(operator: Cluster) -> None:
    said = operator.helm("test", release.NAME, f"--namespace={release.NAMESPACE}", "--logs")
    assert "readyz 200" in said


def test_what_is_ready_draws(shapes: Resource) -> None:
    with shapes.client() as client:
        first = resource.picture(client, model="shapes", seed=7)
        assert first.startswith(b"\x89PNG")
        assert resource.picture(client, model="shapes", seed=7) == first


def test_every_condition_is_of_this_generation(shapes: Resource) -> None:
    good = {
        "Available": "True",
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "EnginesReady": "True",
        "PricesResolved": "True",
    }
    # Tests before this one may have had it scaled, of which Ray tells a little later.
    eventually(lambda: shapes.verdicts() == good, what=lambda: f"{shapes.verdicts()} become {good}")
    status = shapes.status()
    assert {each["observedGeneration"] for each in status["conditions"]} == {status["observedGeneration"]}


def test_a_new_price_is_applied_in_place(shapes: Resource) -> None:
    before = shapes.replicas()
    pods = shapes.pod_names()
    changed = time.monotonic()
    prices = '{"data":{"cpuCoreHour":"1.0000"}}'
    shapes.cluster.kubectl("patch", "configmap", "prices", "--namespace=default", "--type=merge", f"--patch={prices}")
    eventually(lambda: "1.0000" in str(user_config(shapes)), seconds=APPLIED_SECONDS, what="the price is applied")
    print(f"\nThe price was in the application after {time.monotonic() - changed:.1f} s.")
    assert shapes.replicas() == before
    assert shapes.pod_names() == pods


def test_a_new_split_is_applied_in_place(shapes: Resource) -> None:
    before = shapes.replicas()
    with shapes.client() as client:
        assert split(client) == 10
        first = shapes.cluster.get("hybriddiffusion", "shapes", "--namespace=default")["spec"]["segments"]
        first[0]["steps"] = {"value": "60%"}
        changed = shapes.patch({"segments": first})
        eventually(lambda: split(client) == 15, seconds=APPLIED_SECONDS, what="pictures are split at 60 %")
    print(f"\nThe split changed after {time.monotonic() - changed:.1f} s.")
    assert shapes.replicas() == before


def test_changed_buckets_roll_to_a_new_revision(shapes: Resource) -> None:
    old, pods = shapes.revision(), shapes.pod_names()
    segments = shapes.cluster.get("hybriddiffusion", "shapes", "--namespace=default")["spec"]["segments"]
    segments[0]["engine"]["batchSizes"] = [1, 2, 4]
    changed = shapes.patch({"segments": segments})
    eventually(lambda: shapes.revision() != old, seconds=ROLLED_SECONDS, what="the new revision serves")
    print(f"\nThe new revision served after {time.monotonic() - changed:.0f} s.")
    shapes.wait("Ready", seconds=ROLLED_SECONDS)
    eventually(lambda: not pods & shapes.pod_names(), seconds=ROLLED_SECONDS, what="the old revision is gone")
    print(f"The old revision was gone after {time.monotonic() - changed:.0f} s.")
    with shapes.client() as client:
        assert resource.picture(client, model="shapes").startswith(b"\x89PNG")


def test_what_is_deleted_leaves_nothing(shapes: Resource) -> None:
    started = time.monotonic()
    shapes.delete()
    print(f"\nGone {time.monotonic() - started:.0f} s after `kubectl delete`.")


def user_config(shapes: Resource) -> Any:
    application = shapes.ray("/api/serve/applications/")["applications"]["shapes"]
    return application["deployments"]["Ingress"]["deployment_config"]["user_config"]


def split(client: Any) -> int:
    """The step at which a picture was handed over."""
    answer = client.images.generate(model="shapes", prompt="a red circle", size="64x64")
    return int(answer.model_extra["hybrid"]["split"])
