"""Every leaf of the resource, changed once, acts in the Serve document as its tag says, and Ray reads it so.

Ray Serve ignores unknown keys in silence and restarts replicas when its own digest of the application changes; both are
asked here of Ray's own code.
"""

import importlib
import json
import re
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_api import documents, frames, halves, serve_config
from hybrid_api.prices import PriceList
from hybrid_api.tags import Tag, leaves, tag_of
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray declares its own models in a way that pydantic deprecates
    from ray.serve._private.deploy_utils import get_app_code_version
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import ServeDeploySchema

_SAMPLES = Path(__file__).parents[2] / "e2e" / "samples"

Document = dict[str, Any]

_REDIS = {"type": "Redis", "redis": {"address": "redis:6379"}}
_WITH_PASSWORD = {"address": "redis:6379", "passwordSecretRef": {"name": "redis", "key": "password"}}
_VOLUME = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "engines"}}
_TEMPLATE = {"spec": {"nodeSelector": {"pool": "gpu"}}}

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
    "spec.segments[].engine.graph": {"spec.segments[0].engine.graph": "Static"},
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
    "spec.handoff.signingKeySecretRef.name": {"spec.handoff.signingKeySecretRef.name": "others"},
    "spec.cost.currency": {"spec.cost.currency": "EUR"},
    "spec.cost.priceListRef.name": {"spec.cost.priceListRef.name": "others"},
    "spec.cost.budgets[].tenant": {"spec.cost.budgets[0].tenant": "ada"},
    "spec.cost.budgets[].window": {"spec.cost.budgets[0].window": "30d"},
    "spec.cost.budgets[].amount": {"spec.cost.budgets[0].amount": "9"},
    "spec.cost.ledgerSecretRef.name": {"spec.cost.ledgerSecretRef": {"name": "ledger"}},
    "metadata.namespace": {"metadata.namespace": "other"},
    "metadata.uid": {"metadata.uid": "other"},
    "metadata.generation": {"metadata.generation": 7},
    "metadata.annotations": {"metadata.annotations": {"a": "b"}},
    "spec.suspend": {"spec.suspend": True},
    "spec.replicas": {"spec.replicas": 4},
    "spec.segments[].workers.podTemplate": {"spec.segments[1].workers.podTemplate": _TEMPLATE},
    "spec.ingress.podTemplate": {"spec.ingress.podTemplate": _TEMPLATE},
    "spec.ingress.service.type": {"spec.ingress.service": {"type": "NodePort"}},
    "spec.store.type": {"spec.store": {"type": "None"}},
    "spec.store.redis.address": {"spec.store": {"type": "Redis", "redis": {"address": "other:6379"}}},
    "spec.store.redis.passwordSecretRef.name": {
        "spec.store": {"type": "Redis", "redis": {**_WITH_PASSWORD, "passwordSecretRef": {"name": "a", "key": "b"}}}
    },
    "spec.store.redis.passwordSecretRef.key": {
        "spec.store": {"type": "Redis", "redis": {**_WITH_PASSWORD, "passwordSecretRef": {"name": "redis", "key": "b"}}}
    },
    "spec.engineCache.type": {"spec.engineCache": {"type": "Ephemeral"}},
    "spec.engineCache.persistentVolumeClaim.claimName": {
        "spec.engineCache": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "others"}}
    },
    "spec.rollout.progressDeadline": {"spec.rollout": {"progressDeadline": "90s"}},
    "spec.rollout.drainTime": {"spec.rollout": {"drainTime": "90s"}},
    "spec.rollout.onFailure": {"spec.rollout": {"onFailure": "Hold"}},
    "spec.networkPolicy.enabled": {"spec.networkPolicy": {"enabled": False}},
    "spec.podMonitor.enabled": {"spec.podMonitor": {"enabled": False}},
    "spec.podMonitor.labels": {"spec.podMonitor": {"labels": {"release": "prometheus"}}},
    "spec.kubeRay.image": {"spec.kubeRay": {"image": "registry.example/serving:1"}},
    "spec.kubeRay.rayVersion": {"spec.kubeRay": {"rayVersion": "2.60.1"}},
    "spec.kubeRay.podTemplate": {"spec.kubeRay": {"podTemplate": _TEMPLATE}},
    "spec.kubeRay.head.podTemplate": {"spec.kubeRay": {"head": {"podTemplate": _TEMPLATE}}},
}
"""One change a leaf, applied to a resource of three segments: autoscaled, fixed with a range, and the last."""

BASES: Mapping[str, Mapping[str, Any]] = {
    "spec.replicas": {"spec.segments[0].workers": {"replicas": 1}},
    "spec.store.type": {"spec.store": _REDIS},
    "spec.store.redis.address": {"spec.store": _REDIS},
    "spec.store.redis.passwordSecretRef.name": {"spec.store": {"type": "Redis", "redis": _WITH_PASSWORD}},
    "spec.store.redis.passwordSecretRef.key": {"spec.store": {"type": "Redis", "redis": _WITH_PASSWORD}},
    "spec.engineCache.type": {"spec.engineCache": _VOLUME},
    "spec.engineCache.persistentVolumeClaim.claimName": {"spec.engineCache": _VOLUME},
}
"""What must be so before a leaf can be changed at all."""


def before_and_after(path: str) -> tuple[HybridDiffusion, HybridDiffusion]:
    base = BASES.get(path, {})
    return a_resource(base), a_resource({**base, **CHANGES[path]})


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
    before, after = (parts(serve_config.render(resource)) for resource in before_and_after(path))
    fixed, tunable, bounds, restart = (was != now for was, now in zip(before, after, strict=True))
    assert fixed == restart == (tag is Tag.FIXED)
    assert bounds == (tag is Tag.BOUNDS)
    assert tunable == (tag is Tag.TUNABLE) or path == "spec.segments[].name"  # the key travels with both halves
    if tunable:
        assert all(was != now for was, now in zip(before[1], after[1], strict=True))


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_leaf_makes_a_new_revision_exactly_where_its_tag_says_so(path: str) -> None:
    tag = tag_of(dict(leaves(HybridDiffusion))[path])
    before, after = (halves.stored(resource, Tag.FIXED, Tag.PODS) for resource in before_and_after(path))
    assert (before != after) == (tag in {Tag.FIXED, Tag.PODS})


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_leaf_reaches_the_pods_exactly_where_its_tag_says_so(path: str) -> None:
    """What a revision keeps must not depend on what is applied in place, or it could not be."""
    is_kept = tag_of(dict(leaves(HybridDiffusion))[path]) in {Tag.FIXED, Tag.PODS}
    before, after = before_and_after(path)
    assert (manifests.revision_of(before) != manifests.revision_of(after)) == is_kept
    assert (rendered(before) != rendered(after)) == is_kept


def rendered(resource: HybridDiffusion) -> str:
    """What a revision keeps, but for its name."""
    rendering = manifests.rendering(resource, defaults=manifests.Defaults(image="registry.example/serving:0"))
    return json.dumps(rendering).replace(manifests.revision_of(resource), "")


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("spec.ingress.service.type", lambda resource: manifests.service(resource, revision="0a1b2c3d")),
        ("spec.ingress.replicas", manifests.disruption_budget),
        ("spec.networkPolicy.enabled", manifests.network_policy),
        ("spec.podMonitor.enabled", manifests.pod_monitor),
        ("spec.podMonitor.labels", manifests.pod_monitor),
    ],
)
def test_a_changed_leaf_reaches_the_objects_around(path: str, make: Callable[[HybridDiffusion], Any]) -> None:
    before, after = before_and_after(path)
    assert make(before) != make(after)


@pytest.mark.parametrize("path", CHANGES)
def test_within_a_frame_nothing_makes_ray_start_replicas_anew(path: str) -> None:
    before, after = (serve_config.render(resource, on_cluster=True) for resource in before_and_after(path))
    frame = frames.of(before)
    assert (frames.of(after) != frame) == (tag_of(dict(leaves(HybridDiffusion))[path]) is Tag.FIXED)
    if frames.is_made_for(after, frame=frame):
        assert parts(frames.put(after, frame=frame))[3] == parts(before)[3]


def test_a_default_that_is_written_out_is_another_revision_and_one_that_is_not_stored_is_none() -> None:
    written = a_resource({"spec.segments[0].engine": {"threads": 2}})
    silent = a_resource({"spec.segments[0].engine": {}})
    assert serve_config.fixed_half(written) == serve_config.fixed_half(silent)
    assert "engine" not in halves.stored(silent, Tag.FIXED)["spec"]["segments"][0]
    assert halves.stored(written, Tag.FIXED)["spec"]["segments"][0]["engine"] == {"threads": 2}


def test_on_a_cluster_each_replica_takes_the_resource_of_its_part() -> None:
    (application,) = serve_config.render(a_resource(), on_cluster=True)["applications"]
    taken = {each["name"]: each["ray_actor_options"]["resources"] for each in application["deployments"]}
    assert taken == {
        "Ingress": {"hybrid-ingress": 1},
        "large": {"hybrid-large": 1},
        "middle": {"hybrid-middle": 1},
        "small": {"hybrid-small": 1},
    }


@pytest.mark.parametrize(("replicas", "workers"), [(None, 1), (4, 4), (0, 1)])
def test_the_scale_path_sets_the_workers_of_the_first_segment(replicas: int | None, workers: int) -> None:
    changes = {"spec.segments[0].workers": {"replicas": 1}} | ({} if replicas is None else {"spec.replicas": replicas})
    (application,) = serve_config.render(a_resource(changes))["applications"]
    scaling = next(each for each in application["deployments"] if each["name"] == "large")["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (workers, workers)
    assert a_resource(changes).spec.is_stopped == (replicas == 0)


@pytest.mark.parametrize("path", CHANGES)
def test_what_was_written_is_what_is_read(path: str) -> None:
    _, resource = before_and_after(path)
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
    document = serve_config.render(found.resource, prices=found.prices(), on_cluster=True)
    assert _unknown(document, ServeDeploySchema, path="") == []
    assert json.loads(json.dumps(document)) == document
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        (application,) = ServeDeploySchema.model_validate(document).applications
        for deployment in application.deployments:
            AutoscalingConfig.model_validate(deployment.autoscaling_config)
    assert [each.name for each in application.deployments] == ["Ingress", "large", "small"]


def test_the_first_sample_needs_nothing_else() -> None:
    found = documents.load_documents((_SAMPLES / "shapes.yaml").read_text())
    assert found.api_keys()
    assert found.signing_keys()
    assert found.prices()


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
