"""What pydantic refuses, a real API server refuses, and the other way round; what both allow, both complete alike.

The samples are changes to the README's resource, in `crd_samples.yaml`. The API server is etcd and kube-apiserver alone
(`e2e/cluster`), the real judge of the CRD's schema, its CEL rules and their cost.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client

from e2e.cluster.control_plane import ControlPlane
from hybrid_api import crd, documents
from hybrid_api.v1alpha1 import GROUP, VERSION

_ROOT = Path(__file__).parents[2]
_SAMPLES = yaml.safe_load(Path(__file__).with_name("crd_samples.yaml").read_text())

Manifest = dict[str, Any]

_BUILD_SECONDS = 1800
"""Without a cache the server is compiled first: six minutes on two busy cores."""

refused = pytest.mark.parametrize("sample", _SAMPLES["refused"], ids=lambda sample: sample["name"])
allowed = pytest.mark.parametrize("sample", _SAMPLES["allowed"], ids=lambda sample: sample["name"])


def the_readme_resource() -> Manifest:
    return next(yaml.safe_load_all((_ROOT / "e2e/samples/shapes.yaml").read_text()))


def changed(sample: Mapping[str, Any]) -> Manifest:
    manifest = deepcopy(the_readme_resource())
    for path, value in sample.get("set", {}).items():
        *above, last = _parts(path)
        _at(manifest, above)[last] = value
    for path in sample.get("unset", []):
        *above, last = _parts(path)
        del _at(manifest, above)[last]
    return manifest


def _parts(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]


def _at(manifest: Any, parts: list[str | int]) -> Any:
    for part in parts:
        manifest = manifest[part]
    return manifest


@refused
def test_pydantic_refuses(sample: Mapping[str, Any]) -> None:
    with pytest.raises(documents.DocumentError) as caught:
        documents.parse(changed(sample))
    message = str(caught.value)
    assert message.startswith(f"`{sample['at']}`: found ")
    assert sample.get("says", "expected") in message
    assert message.endswith(".")
    assert "\n" not in message


@allowed
def test_pydantic_allows(sample: Mapping[str, Any]) -> None:
    parsed = documents.parse(changed(sample))
    assert documents.parse(parsed.manifest()) == parsed


def create(objects: client.CustomObjectsApi, manifest: Manifest) -> Manifest:
    """What the server would store, with its defaults."""
    return objects.create_namespaced_custom_object(
        GROUP, VERSION, "default", crd.PLURAL, manifest, dry_run="All", field_validation="Strict"
    )


@pytest.mark.component
@pytest.mark.timeout(_BUILD_SECONDS)
@refused
def test_the_api_server_refuses(sample: Mapping[str, Any], objects: client.CustomObjectsApi) -> None:
    with pytest.raises(client.ApiException) as caught:
        create(objects, changed(sample))
    assert caught.value.status in {400, 422}
    message = json.loads(caught.value.body)["message"]
    assert sample["at"].rpartition(".")[2].rstrip("[]0123456789") in message
    assert sample.get("says", "") in message


@pytest.mark.component
@pytest.mark.timeout(_BUILD_SECONDS)
@allowed
def test_the_api_server_allows_and_completes_like_pydantic(
    sample: Mapping[str, Any], objects: client.CustomObjectsApi
) -> None:
    manifest = changed(sample)
    assert documents.parse(create(objects, manifest)).spec == documents.parse(manifest).spec


shares = st.integers(0, 100).map(lambda percent: f"{percent}%") | st.integers(0, 1000)
ranges = st.fixed_dictionaries({"min": shares, "max": shares}) | st.fixed_dictionaries({"value": shares})


@pytest.mark.component
@pytest.mark.timeout(_BUILD_SECONDS)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(steps=st.lists(ranges, min_size=1, max_size=3))
def test_both_agree_on_any_steps(steps: list[Manifest], objects: client.CustomObjectsApi) -> None:
    manifest = the_readme_resource()
    large, small = manifest["spec"]["segments"]
    stretches = [large | {"name": f"large-{index}", "steps": each} for index, each in enumerate(steps)]
    manifest["spec"]["segments"] = [*stretches, small]
    by_pydantic = is_allowed(lambda: documents.parse(manifest))
    by_the_server = is_allowed(lambda: create(objects, manifest))
    assert by_pydantic == by_the_server


def is_allowed(check: Callable[[], object]) -> bool:
    try:
        check()
    except (documents.DocumentError, client.ApiException):
        return False
    return True


@pytest.mark.component
@pytest.mark.timeout(_BUILD_SECONDS)
def test_defaults_of_the_fixed_half_are_never_stored(objects: client.CustomObjectsApi) -> None:
    """Or a newer operator could not tell what was written from what an older one filled in."""
    bare = next(sample for sample in _SAMPLES["allowed"] if sample["name"] == "only what must be there")
    stored = create(objects, changed(bare))["spec"]
    assert stored["segments"][0].keys() == {"name", "runsOn", "model", "steps", "workers"}
    assert stored["ingress"] == {"replicas": 1, "service": {"type": "ClusterIP"}}
    assert stored.keys().isdisjoint({"replicas", "kubeRay", "engineCache", "store"})
    assert stored["rollout"] == {"progressDeadline": "10m", "drainTime": "2m", "onFailure": "RollBack"}
    assert stored["handoff"] == {"ttl": "5m"}
    assert stored["requests"]["limits"]["bodySize"] == "1Mi"


@pytest.mark.component
@pytest.mark.timeout(_BUILD_SECONDS)
def test_every_field_is_explained(objects: client.CustomObjectsApi, plane: ControlPlane) -> None:
    with plane.client() as connection:
        answer = connection.call_api(
            "GET", f"{plane.url}/openapi/v3/apis/{GROUP}/{VERSION}", {"Authorization": f"Bearer {plane.token}"}
        )
        document = json.loads(answer.read())
    schema = document["components"]["schemas"][f"io.hybriddiffusion.{VERSION}.HybridDiffusion"]
    assert sorted(_unexplained(schema["properties"]["spec"], path="spec")) == []
    assert schema["description"]


def _unexplained(schema: Manifest, *, path: str) -> Iterator[str]:
    if not schema.get("description"):
        yield path
    for name, each in schema.get("properties", {}).items():
        yield from _unexplained(each, path=f"{path}.{name}")
    if "items" in schema and "properties" in schema["items"]:
        yield from _unexplained(schema["items"], path=f"{path}[]")


@pytest.mark.component
@pytest.mark.timeout(_BUILD_SECONDS)
@pytest.mark.parametrize("path", sorted((_ROOT / "e2e/samples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_sample_can_be_applied_as_it_is(
    path: Path, objects: client.CustomObjectsApi, plane: ControlPlane
) -> None:
    with plane.client() as connection:
        core = client.CoreV1Api(connection)
        makers: Mapping[str, Callable[..., object]] = {
            "HybridDiffusion": lambda _, manifest, **strictly: create(objects, manifest),
            "Secret": core.create_namespaced_secret,
            "ConfigMap": core.create_namespaced_config_map,
            "PersistentVolumeClaim": core.create_namespaced_persistent_volume_claim,
        }
        for manifest in yaml.safe_load_all(path.read_text()):
            makers[manifest["kind"]]("default", manifest, dry_run="All", field_validation="Strict")
