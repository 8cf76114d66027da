"""An operator is upgraded to images of the Dockerfiles, and to other defaults: nothing of anybody restarts."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e import images, release, resource
from e2e.cluster import machine_image
from e2e.cluster.cluster import Cluster
from e2e.cluster.runtime import Runtime
from e2e.cluster.up import RUN
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

_READY_SECONDS = 240.0
_PULL_SECRET = "registry"


@pytest.fixture(scope="module")
def shapes(operator: Cluster) -> Iterator[Resource]:
    if operator.place is None:
        pytest.skip("Which version a cluster that is not ours runs is its owner's affair.")
    with resource.ready(operator, seconds=_READY_SECONDS) as shapes:
        yield shapes


@pytest.fixture(scope="module")
def built(operator: Cluster) -> dict[str, str]:
    """Both images on the node: their references."""
    assert operator.place is not None
    runtime, references = Runtime(operator.place, run=RUN, sandbox=machine_image.NAME), {}
    for name in ("operator", "serving"):
        references[name], archive = images.build(name)
        runtime.load(archive)
    return references


@pytest.fixture(scope="module")
def upgraded(
    operator: Cluster, shapes: Resource, built: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Before"]:
    """What was there before the upgrade; in the end the release is as it was."""
    before, folder = Before(shapes), tmp_path_factory.mktemp("upgrade")
    serving = {**release.image(built["serving"]), "pullSecrets": [_PULL_SECRET]}
    values = {"image": release.image(built["operator"]), "servingImage": serving}
    release.upgrade(operator, folder, values={**values, "extraVolumes": [], "extraVolumeMounts": []})
    yield before
    release.upgrade(operator, folder)


class Before:
    """What must not change."""

    def __init__(self, shapes: Resource) -> None:
        self.pods = _starts(shapes)
        self.replicas = shapes.replicas()
        self.revision = shapes.revision()
        self.records = _records(shapes)
        with shapes.client() as client:
            self.picture = resource.picture(client, model=shapes.name, seed=7)


def test_an_upgrade_restarts_nothing(shapes: Resource, upgraded: Before) -> None:
    where = f"--namespace={shapes.namespace}"
    shapes.cluster.kubectl("delete", "networkpolicy", shapes.name, where)
    eventually(
        lambda: shapes.cluster.get("networkpolicies", where)["items"],
        seconds=60.0,
        what="the new operator has repaired what somebody deleted",
    )
    assert _starts(shapes) == upgraded.pods
    assert shapes.replicas() == upgraded.replicas
    assert _records(shapes) == upgraded.records
    shapes.wait("Ready", seconds=30.0)


def test_the_next_change_rolls_once_and_to_the_new_defaults(
    shapes: Resource, upgraded: Before, built: dict[str, str]
) -> None:
    shapes.patch({"kubeRay": {"podTemplate": {"spec": _without_mounts(shapes)}}})  # the image has what was mounted
    eventually(lambda: shapes.revision() != upgraded.revision, seconds=_READY_SECONDS, what="the new revision serves")
    eventually(lambda: not set(upgraded.pods) & shapes.pod_names(), seconds=180.0, what="the old revision is gone")
    shapes.wait("Ready", seconds=60.0)
    specs = [pod["spec"] for pod in shapes.pods()]
    assert {container["image"] for spec in specs for container in spec["containers"]} == {built["serving"]}
    assert all(spec["imagePullSecrets"] == [{"name": _PULL_SECRET}] for spec in specs)
    assert len(_records(shapes) - upgraded.records) == 1
    with shapes.client() as client:
        assert resource.picture(client, model=shapes.name, seed=7) == upgraded.picture


def _without_mounts(shapes: Resource) -> dict[str, Any]:
    """A merge patch of the pods' template."""
    where = f"--namespace={shapes.namespace}"
    template = shapes.cluster.get(resource.KIND, shapes.name, where)["spec"]["kubeRay"]["podTemplate"]["spec"]
    containers = [{**each, "volumeMounts": []} for each in template["containers"]]
    return {"volumes": None, "containers": containers}


def _starts(shapes: Resource) -> dict[str, tuple[str, int]]:
    """Uid and restarts of every pod."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(each["restartCount"] for each in pod["status"]["containerStatuses"]),
        )
        for pod in shapes.pods()
    }


def _records(shapes: Resource) -> set[str]:
    found = shapes.cluster.get("controllerrevisions", f"--namespace={shapes.namespace}")["items"]
    mine = [each for each in found if each["metadata"]["labels"].get("hybriddiffusion.io/name") == shapes.name]
    return {each["metadata"]["name"] for each in mine}
