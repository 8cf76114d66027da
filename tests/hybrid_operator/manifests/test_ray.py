"""The RayService of a revision: what KubeRay is told, and what must not depend on fields that are applied in place."""

import json
from typing import Any

import pytest
from tests.hybrid_operator.manifests.samples import (
    DEFAULTS,
    containers,
    everything,
    parsed,
    ray,
    ray_service,
    rendered,
    resource,
)

from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests

Manifest = dict[str, Any]


def cluster(hd: HybridDiffusion) -> Manifest:
    found: Manifest = rendered(hd)["rayService"]["rayClusterConfig"]
    return found


def document(service: Manifest) -> Manifest:
    found: Manifest = json.loads(service["spec"]["serveConfigV2"])
    return found


def test_every_replica_finds_exactly_one_group_that_offers_its_place(hd: HybridDiffusion) -> None:
    """One replica is one pod: it takes one unit of a resource of which a pod of its group has one, and no other."""
    (application,) = document(ray_service(hd))["applications"]
    for deployment in application["deployments"]:
        ((place, amount),) = deployment["ray_actor_options"]["resources"].items()
        offers = [group["resources"][place] for group in cluster(hd)["workerGroupSpecs"] if place in group["resources"]]
        assert (amount, offers) == (1, ["1"]), place


def test_the_cluster_has_a_group_for_the_ingress_and_one_for_each_segment(hd: HybridDiffusion) -> None:
    names = [group["groupName"] for group in cluster(hd)["workerGroupSpecs"]]
    assert names == ["ingress", *(segment.name for segment in hd.spec.segments)]


def test_numbers_of_pods_are_left_to_ray(hd: HybridDiffusion) -> None:
    assert cluster(hd)["enableInTreeAutoscaling"] is True
    assert cluster(hd)["autoscalerOptions"]["version"] == "v2"
    for group in cluster(hd)["workerGroupSpecs"]:
        assert (group["replicas"], group["minReplicas"]) == (0, 0)
        assert group["maxReplicas"] >= 2 * 1000, (
            "a surge of the most replicas that the resource allows needs twice as many"
        )
        assert "restartPolicy" not in group["template"]["spec"], "KubeRay refuses any but Never with this autoscaler"


def test_the_head_takes_no_replica_and_no_request(hd: HybridDiffusion) -> None:
    assert cluster(hd)["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert rendered(hd)["rayService"]["excludeHeadPodFromServeSvc"] is True


def test_kuberay_never_rolls_out_by_itself(hd: HybridDiffusion) -> None:
    assert rendered(hd)["rayService"]["upgradeStrategy"] == {"type": "None"}


def test_ray_asks_for_a_token(hd: HybridDiffusion) -> None:
    assert cluster(hd)["authOptions"] == {"mode": "token"}
    assert cluster(hd)["rayVersion"] == DEFAULTS.ray_version, "without a version KubeRay refuses tokens"


def test_the_version_of_ray_is_the_resource_s_before_the_operator_s() -> None:
    assert cluster(resource({"spec.kubeRay": {"rayVersion": "2.61.0"}}))["rayVersion"] == "2.61.0"


def test_the_autoscaler_runs_as_ray_does(hd: HybridDiffusion) -> None:
    """KubeRay gives its container nothing of the head's template."""
    head, options = ray(cluster(hd)["headGroupSpec"]["template"]), cluster(hd)["autoscalerOptions"]
    for field in ("image", "env", "volumeMounts", "securityContext"):
        assert options[field] == head[field]


def test_the_autoscaler_follows_the_head_s_template() -> None:
    mount = {"name": "certificates", "mountPath": "/certificates"}
    head = containers({"name": "ray", "imagePullPolicy": "Never", "volumeMounts": [mount]})
    options = cluster(resource({"spec.kubeRay": {"head": {"podTemplate": head}}}))["autoscalerOptions"]
    assert options["imagePullPolicy"] == "Never"
    assert mount in options["volumeMounts"]


def test_a_container_named_autoscaler_is_merged_into_kuberay_s_own() -> None:
    """A second one of that name would be refused."""
    found = cluster(parsed(everything()))
    names = [each["name"] for each in found["headGroupSpec"]["template"]["spec"]["containers"]]
    assert names == ["ray"]
    assert found["autoscalerOptions"]["resources"]["requests"]["cpu"] == "20m"


def test_a_password_travels_by_reference() -> None:
    assert cluster(parsed(everything()))["gcsFaultToleranceOptions"] == {
        "redisAddress": "redis:6379",
        "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "password"}}},
    }


def test_without_a_store_ray_keeps_nothing() -> None:
    assert "gcsFaultToleranceOptions" not in cluster(resource())


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.replicas": 0, "spec.segments[0].workers": {"replicas": 1}},
        {"spec.suspend": True},
        {"spec.ingress.replicas": 7},
        {"spec.segments[1].workers.replicas": 9},
        {"spec.segments[0].workers.autoscaling.minReplicas": 0},
        {"spec.segments[0].workers.autoscaling.targetQueueTime": "9s"},
        {"spec.segments[0].steps": {"value": "60%"}},
        {"spec.requests.defaults.steps": 7},
        {"spec.requests.limits.queueTime": "9s"},
        {"spec.handoff.ttl": "9m"},
        {"spec.rollout": {"drainTime": "9m", "progressDeadline": "9m", "onFailure": "Hold"}},
        {"spec.networkPolicy": {"enabled": False}},
        {"spec.podMonitor": {"enabled": False}},
        {"spec.ingress.service": {"type": "NodePort"}},
        {"spec.cost.currency": "EUR"},
        {"metadata.annotations": {"a": "b"}, "metadata.generation": 9},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_applied_in_place_leaves_revision_and_rendering_as_they_are(changes: Manifest) -> None:
    """Else KubeRay would be asked to change a running cluster, which it does not do."""
    hd = resource(changes)
    assert manifests.revision_of(hd) == manifests.revision_of(resource())
    assert rendered(hd) == rendered(resource())


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata.name": "other"},
        {"spec.segments[0].model.uri": "file:///models/pair/large"},
        {"spec.segments[0].engine.threads": 3},
        {"spec.segments[0].engine.batchSizes": [1, 2]},
        {"spec.segments[1].name": "other"},
        {"spec.segments[0].workers.podTemplate": {"spec": {"priorityClassName": "a"}}},
        {"spec.segments[0].workers.podTemplate": {"spec": {"priorityClassName": None}}},
        {"spec.ingress.podTemplate": {"spec": {"priorityClassName": "a"}}},
        {"spec.ingress.apiKeysSecretRef.name": "other"},
        {"spec.handoff.signingKeySecretRef.name": "other"},
        {"spec.requests.limits.sizes": ["64x64", "32x32"]},
        {"spec.engineCache": {"type": "Ephemeral"}},
        {"spec.store": {"type": "Redis", "redis": {"address": "redis:6379"}}},
        {"spec.kubeRay": {"image": "other:1"}},
        {"spec.kubeRay": {"rayVersion": "2.61.0"}},
        {"spec.kubeRay": {"podTemplate": {"spec": {"priorityClassName": "a"}}}},
        {"spec.kubeRay": {"head": {"podTemplate": {"spec": {"priorityClassName": "a"}}}}},
    ],
    ids=lambda changes: f"{next(iter(changes))}",
)
def test_what_cannot_be_applied_in_place_is_a_new_revision(changes: Manifest) -> None:
    assert manifests.revision_of(resource(changes)) != manifests.revision_of(resource())


def test_today_s_bounds_and_tunables_are_in_the_document() -> None:
    hd = resource({"spec.ingress.replicas": 7, "spec.segments[0].steps": {"value": "60%"}})
    made = manifests.ray_service(hd, revision=manifests.revision_of(hd), rendering=rendered(resource()), prices=None)
    (application,) = document(made)["applications"]
    ingress = application["deployments"][0]
    assert ingress["autoscaling_config"]["min_replicas"] == 7
    assert ingress["user_config"]["spec"]["segments"][0]["steps"] == {"value": "60%"}


def test_prices_are_in_the_document() -> None:
    hd = resource()
    prices = PriceList.model_validate({"currency": "USD", "cpuCoreHour": "0.0316"})
    made = manifests.ray_service(hd, revision=manifests.revision_of(hd), rendering=rendered(hd), prices=prices)
    (application,) = document(made)["applications"]
    assert all(each["user_config"]["prices"]["cpuCoreHour"] == "0.0316" for each in application["deployments"])


def test_a_running_revision_keeps_what_an_older_operator_filled_in() -> None:
    """Ray starts every replica anew if the application's arguments change."""
    hd, older = resource(), rendered(resource())
    older["frame"]["args"]["spec"]["segments"][0]["engine"]["threads"] = 1
    older["rayService"]["rayClusterConfig"]["rayVersion"] = "2.52.0"
    made = manifests.ray_service(hd, revision=manifests.revision_of(hd), rendering=older, prices=None)
    (application,) = document(made)["applications"]
    assert application["args"]["spec"]["segments"][0]["engine"]["threads"] == 1
    assert made["spec"]["rayClusterConfig"]["rayVersion"] == "2.52.0"


def test_no_document_is_made_for_a_revision_with_other_segments() -> None:
    old, new = resource(), resource({"spec.segments[1].name": "other"})
    made = manifests.ray_service(new, revision=manifests.revision_of(old), rendering=rendered(old), prices=None)
    assert made["metadata"]["name"] == f"shapes-{manifests.revision_of(old)}"
    assert "serveConfigV2" not in made["spec"]


@pytest.mark.parametrize("name", ["y", "n", "no", "e1e3"])
def test_a_name_stays_text_for_kuberay_s_parser(name: str) -> None:
    """It takes a plain `y` for true and `1e3` for a number; within quotes, as JSON has them, it takes neither."""
    text = ray_service(resource({"metadata.name": name}))["spec"]["serveConfigV2"]
    assert json.loads(text)["applications"][0]["name"] == name


def test_the_same_resource_is_rendered_to_the_same_bytes() -> None:
    assert json.dumps(ray_service(resource())) == json.dumps(ray_service(resource()))
