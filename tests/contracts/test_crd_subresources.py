"""What the API server does around a resource: its status, its scale, its line in a table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from e2e.cluster.control_plane import ControlPlane
from hybrid_api import crd
from hybrid_api.v1alpha1 import GROUP, VERSION

_SAMPLE = Path(__file__).parents[2] / "e2e" / "samples" / "shapes.yaml"
_WHERE = (GROUP, VERSION, "default", crd.PLURAL)
_NAME = "scaled"

Manifest = dict[str, Any]

pytestmark = [pytest.mark.component, pytest.mark.timeout(1800)]


@pytest.fixture
def created(objects: client.CustomObjectsApi) -> Iterator[Manifest]:
    """A resource whose first segment has a fixed number of workers."""
    manifest = next(yaml.safe_load_all(_SAMPLE.read_text())) | {"metadata": {"name": _NAME}}
    manifest["spec"]["segments"][0]["workers"] = {"replicas": 1}
    yield objects.create_namespaced_custom_object(*_WHERE, manifest)
    objects.delete_namespaced_custom_object(*_WHERE, _NAME)


def a_status(**more: Any) -> Manifest:
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "RolledBack",
        "message": "The image cannot be pulled.",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"observedGeneration": 1, "conditions": [condition], **more}


def say(objects: client.CustomObjectsApi, status: Manifest) -> Manifest:
    return objects.patch_namespaced_custom_object_status(*_WHERE, _NAME, {"status": status}, field_validation="Strict")


def test_a_word_that_is_no_status_is_refused(objects: client.CustomObjectsApi, created: Manifest) -> None:
    with pytest.raises(client.ApiException, match="Maybe"):
        say(objects, {"conditions": [a_status()["conditions"][0] | {"status": "Maybe"}]})


def test_scaling_what_scales_itself_is_refused_with_the_reason(
    objects: client.CustomObjectsApi, created: Manifest
) -> None:
    itself = {"autoscaling": {"maxReplicas": 2}}
    created["spec"]["segments"][0]["workers"] = itself
    objects.replace_namespaced_custom_object(*_WHERE, _NAME, created)
    with pytest.raises(client.ApiException, match="expected no `replicas` beside the autoscaling"):
        objects.patch_namespaced_custom_object_scale(*_WHERE, _NAME, {"spec": {"replicas": 3}})


def test_a_status_does_not_make_a_new_generation(objects: client.CustomObjectsApi, created: Manifest) -> None:
    revisions = {
        "serving": "0a1b2c3d",
        "rejected": {"revision": "ffffffff", "reason": "ImagePullFailed", "message": "-"},
    }
    said = say(objects, a_status(revisions=revisions, url="http://scaled.default.svc:8000"))
    assert said["metadata"]["generation"] == created["metadata"]["generation"]
    assert said["status"]["revisions"] == revisions


def test_whoever_writes_the_spec_cannot_write_the_status(objects: client.CustomObjectsApi, created: Manifest) -> None:
    stored = objects.patch_namespaced_custom_object(*_WHERE, _NAME, {"status": a_status()})
    assert "status" not in stored


def test_scaling_sets_replicas_and_nothing_else(objects: client.CustomObjectsApi, created: Manifest) -> None:
    say(objects, a_status(replicas=1, selector="hybriddiffusion.io/name=scaled"))
    objects.patch_namespaced_custom_object_scale(*_WHERE, _NAME, {"spec": {"replicas": 3}})
    scale = objects.get_namespaced_custom_object_scale(*_WHERE, _NAME)
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 1, "selector": "hybriddiffusion.io/name=scaled"}
    spec = objects.get_namespaced_custom_object(*_WHERE, _NAME)["spec"]
    assert spec == created["spec"] | {"replicas": 3}


def test_the_table_says_whether_it_is_ready_and_why_not(
    objects: client.CustomObjectsApi, created: Manifest, plane: ControlPlane
) -> None:
    say(objects, a_status())
    headers = {
        "Authorization": f"Bearer {plane.token}",
        "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io",
    }
    with plane.client() as connection:
        where = f"{plane.url}/apis/{GROUP}/{VERSION}/namespaces/default/{crd.PLURAL}/{_NAME}"
        table = json.loads(connection.call_api("GET", where, headers).read())
    row = dict(zip((each["name"] for each in table["columnDefinitions"]), table["rows"][0]["cells"], strict=True))
    assert {name: row[name] for name in ("Name", "Ready", "Reason", "Split")} == {
        "Name": _NAME,
        "Ready": "False",
        "Reason": "RolledBack",
        "Split": "40%",
    }
