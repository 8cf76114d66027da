"""Every leaf of the resource, changed once, acts in the Serve document as its tag says, and Ray reads it so.

Ray Serve ignores unknown keys in silence and restarts replicas when its own digest of the application changes; both are
asked here of Ray's own code.
"""

import importlib
import json
import re
import warnings
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_api import documents, serve_config
from hybrid_api.prices import PriceList
from hybrid_api.tags import Tag, leaves, tag_of
from hybrid_api.v1alpha1 import HybridDiffusion

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray declares its own models in a way that pydantic deprecates
    from ray.serve._private.deploy_utils import get_app_code_version
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import ServeDeploySchema

_SAMPLES = Path(__file__).parents[2] / "e2e" / "samples"

Document = dict[str, Any]

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "metadata.name": {"metadata.name": "other"},
    "spec.segments[].name": {"spec.segments[1].name": "tiny"},
    "spec.segments[].runsOn": {"spec.segments[1].runsOn": "Cloud"},
    "spec.segments[].model.uri": {"spec.segments[1].model.uri": "builtin://shapes/large"},
    "spec.segments[].steps.value": {"spec.segments[0].steps.value": "20%"},
    "spec.segments[].steps.min": {"spec.segments[1].steps.min": 2},
    "spec.segments[].steps.max": {"spec.segments[1].steps.max": 6},
    "spec.segments[].engine.backend": {"spec.segments[0].engine.backend": "Eager"},
    "spec.segments[].engine.precision": {"spec.segments[0].engine.precision": "BF16"},
    "spec.segments[].engine.batchSizes": {"spec.segments[0].engine.batchSizes": [1, 4]},
    "spec.segments[].engine.threads": {"spec.segments[0].engine.threads": 3},
    "spec.segments[].workers.replicas": {"spec.segments[1].workers.replicas": 3},
    "spec.segments[].workers.autoscaling.minReplicas": {"spec.segments[0].workers.autoscaling.minReplicas": 0},
    "spec.segments[].workers.autoscaling.maxReplicas": {"spec.segments[0].workers.autoscaling.maxReplicas": 9},
    "spec.segments[].workers.autoscaling.targetQueueTime": {
        "spec.segments[0].workers.autoscaling.targetQueueTime": "2s"
    },
    "spec.segments[].workers.autoscaling.scaleDownDelay": {"spec.segments[0].workers.autoscaling.scaleDownDelay": "7m"},
    "spec.segments[].workers.autoscaling.scaleToZeroDelay": {
        "spec.segments[0].workers.autoscaling.scaleToZeroDelay": "7m"
    },
    "spec.requests.defaults.sampler": {"spec.requests.defaults.sampler": "ddim"},
    "spec.requests.defaults.steps": {"spec.requests.defaults.steps": 24},
    "spec.requests.defaults.guidanceScale": {"spec.requests.defaults.guidanceScale": "7.5"},
    "spec.requests.defaults.size": {"spec.requests.defaults.size": "128x64"},
    "spec.requests.defaults.deadline": {"spec.requests.defaults.deadline": "90s"},
    "spec.requests.limits.steps": {"spec.requests.limits.steps": 99},
    "spec.requests.limits.images": {"spec.requests.limits.images": 2},
    "spec.requests.limits.sizes": {"spec.requests.limits.sizes": ["64x64"]},
    "spec.requests.limits.queueTime": {"spec.requests.limits.queueTime": "3s"},
    "spec.requests.limits.bodySize": {"spec.requests.limits.bodySize": "2Mi"},
    "spec.ingress.replicas": {"spec.ingress.replicas": 2},
    "spec.ingress.apiKeysSecretRef.name": {"spec.ingress.apiKeysSecretRef.name": "others"},
    "spec.handoff.ttl": {"spec.handoff.ttl": "1m"},
    "spec.handoff.maxAttempts": {"spec.handoff.maxAttempts": 1},
    "spec.handoff.signingKeySecretRef.name": {"spec.handoff.signingKeySecretRef.name": "others"},
    "spec.cost.currency": {"spec.cost.currency": "EUR"},
    "spec.cost.priceListRef.name": {"spec.cost.priceListRef.name": "others"},
}
"""One change a leaf, applied to a resource of three segments: autoscaled, fixed with a range, and the last."""


def a_resource(changes: Mapping[str, Any] | None = None) -> HybridDiffusion:
    manifest = next(yaml.safe_load_all((_SAMPLES / "shapes.yaml").read_text()))
    last = manifest["spec"]["segments"].pop()
    middle = deepcopy(last) | {"name": "middle", "steps": {"min": 1, "max": 5}}
    manifest["spec"]["segments"] += [middle, last]
    manifest["spec"]["requests"]["limits"]["sizes"] = ["64x64", "128x64"]
    for path, value in (changes or {}).items():
        at: Any = manifest
        *above, name = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        for part in above:
            at = at[part]
        at[name] = value
    return documents.parse(manifest)


def parts(document: Document) -> tuple[Document, list[Document], list[Document], str]:
    """`args`, every `user_config`, every `autoscaling_config`, and Ray's digest that decides over restarts."""
    (application,) = document["applications"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        (schema,) = ServeDeploySchema.model_validate(document).applications
    deployments = application["deployments"]
    return (
        application["args"],
        [each["user_config"] for each in deployments],
        [each["autoscaling_config"] for each in deployments],
        get_app_code_version(schema),
    )


def test_every_leaf_has_a_change() -> None:
    tagged = {path for path, field in leaves(HybridDiffusion) if path not in {"apiVersion", "kind"}}
    assert tagged == set(CHANGES)
    assert all(tag_of(field) for path, field in leaves(HybridDiffusion) if path in tagged)


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_leaf_acts_as_its_tag_says(path: str) -> None:
    tag = tag_of(dict(leaves(HybridDiffusion))[path])
    before, after = (parts(serve_config.render(a_resource(changes))) for changes in (None, CHANGES[path]))
    fixed, tunable, bounds, restart = (was != now for was, now in zip(before, after, strict=True))
    assert fixed == restart == (tag is Tag.FIXED)
    assert bounds == (tag is Tag.BOUNDS)
    assert tunable == (tag is Tag.TUNABLE) or path == "spec.segments[].name"  # the key travels with both halves
    if tunable:
        assert all(was != now for was, now in zip(before[1], after[1], strict=True))


@pytest.mark.parametrize("path", CHANGES)
def test_what_was_written_is_what_is_read(path: str) -> None:
    resource = a_resource(CHANGES[path])
    args, (user_config, *_), *_ = parts(serve_config.render(resource))
    read = {
        Tag.FIXED: {"metadata": {"name": serve_config.read_fixed(args).name}}
        | {"spec": serve_config.read_fixed(args).spec.manifest()},
        Tag.TUNABLE: {"spec": serve_config.read_tunable(user_config).spec.manifest()},
    }
    assert read == {Tag.FIXED: args, Tag.TUNABLE: user_config}
    tag = tag_of(dict(leaves(HybridDiffusion))[path])
    if tag in read:
        ((where, value),) = CHANGES[path].items()
        found: Any = read[tag]
        for part in re.findall(r"[^.\[\]]+", where):
            found = found[int(part)] if part.isdigit() else found[part]
        assert found in (value, {"90s": "1m30s"}.get(str(value)))


def test_scaling_and_fixed_workers_are_exchanged_without_a_restart() -> None:
    scaled = a_resource()
    fixed = a_resource({"spec.segments[0].workers": {"replicas": 4}})
    (args, _, _, restart), (args_then, _, bounds, restart_then) = (
        parts(serve_config.render(each)) for each in (scaled, fixed)
    )
    assert (args, restart) == (args_then, restart_then)
    assert (bounds[1]["min_replicas"], bounds[1]["max_replicas"]) == (4, 4)


def test_a_changed_price_is_applied_in_place() -> None:
    cheap, dear = (
        parts(serve_config.render(a_resource(), prices=PriceList.from_data({"currency": "USD", "cpuCoreHour": price})))
        for price in ("0.01", "0.02")
    )
    assert cheap[0] == dear[0]
    assert cheap[3] == dear[3]
    assert serve_config.read_tunable(dear[1][0]).prices != serve_config.read_tunable(cheap[1][0]).prices


@pytest.mark.parametrize("path", sorted(_SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_sample_validates_and_renders_only_what_ray_knows(path: Path) -> None:
    found = documents.load_documents(path.read_text())
    document = serve_config.render(found.resource, prices=found.prices())
    assert found.api_keys()
    assert found.signing_keys()
    assert _unknown(document, ServeDeploySchema, path="") == []
    assert json.loads(json.dumps(document)) == document
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        (application,) = ServeDeploySchema.model_validate(document).applications
        for deployment in application.deployments:
            AutoscalingConfig.model_validate(deployment.autoscaling_config)
    assert [each.name for each in application.deployments] == ["Ingress", "large", "small"]


_FREE = {"args", "user_config"}
_NESTED = {"autoscaling_config": AutoscalingConfig}


def _unknown(value: Any, model: Any, *, path: str) -> list[str]:
    """Keys that Ray's models do not have; Ray would ignore them."""
    found: list[str] = []
    for key, below in value.items():
        field = model.model_fields.get(key)
        if field is None:
            found.append(f"{path}.{key}")
            continue
        inner = _NESTED.get(key) or _model_in(field.annotation)
        items = below if isinstance(below, list) else [below]
        if inner is not None and key not in _FREE:
            found += [name for item in items for name in _unknown(item, inner, path=f"{path}.{key}")]
    return found


def _model_in(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_in(part))), None)


def test_a_misspelt_key_would_be_found() -> None:
    document = serve_config.render(a_resource())
    document["applications"][0]["deployments"][1]["max_ongoing_request"] = 3
    document["applications"][0]["deployments"][1]["autoscaling_config"]["min_replica"] = 3
    assert _unknown(document, ServeDeploySchema, path="") == [
        ".applications.deployments.autoscaling_config.min_replica",
        ".applications.deployments.max_ongoing_request",
    ]


@pytest.mark.parametrize("path", [serve_config.IMPORT_PATH, serve_config.POLICY_PATH])
def test_what_the_document_names_exists(path: str) -> None:
    module, _, name = path.partition(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert callable(getattr(importlib.import_module(module), name))
