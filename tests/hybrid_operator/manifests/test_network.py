"""Who reaches a resource's pods, and how many of them stay while nodes are drained."""

from typing import Any

import pytest
from tests.hybrid_operator.manifests.samples import resource, templates

from hybrid_operator import manifests

Manifest = dict[str, Any]
OPERATOR = {"app.kubernetes.io/name": "hybrid-diffusion-operator"}
KUBERAY_BY_HELM = {"app.kubernetes.io/name": "kuberay-operator", "app.kubernetes.io/component": "kuberay-operator"}
KUBERAY_BY_KUSTOMIZE = {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/component": "kuberay-operator"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
ANYBODY = {"app.kubernetes.io/name": "anybody"}
OWN_POD = templates(resource())["large"]["metadata"]["labels"]
OWN_RAY_POD = OWN_POD | {"app.kubernetes.io/component": "worker"}

SERVE, DASHBOARD, METRICS, PROXY_METRICS, GCS, CLIENT = 8000, 8265, 8080, 9101, 6379, 10001


def admits(policy: Manifest, *, labels: dict[str, str], port: int, is_own_namespace: bool = False) -> bool:
    """What a network that enforces policies would do with a pod's connection."""
    return any(
        _has_port(rule, port) and _has_peer(rule, labels, is_own_namespace=is_own_namespace)
        for rule in policy["spec"]["ingress"]
    )


def _has_port(rule: Manifest, port: int) -> bool:
    return "ports" not in rule or any(each["port"] == port and each["protocol"] == "TCP" for each in rule["ports"])


def _has_peer(rule: Manifest, labels: dict[str, str], *, is_own_namespace: bool) -> bool:
    return "from" not in rule or any(
        (is_own_namespace or peer.get("namespaceSelector") == {}) and _matches(peer["podSelector"], labels)
        for peer in rule["from"]
    )


def _matches(selector: Manifest, labels: dict[str, str]) -> bool:
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def the_policy() -> Manifest:
    policy = manifests.network_policy(resource())
    assert policy is not None
    return policy


@pytest.mark.parametrize("port", [DASHBOARD, METRICS, PROXY_METRICS, GCS, CLIENT, 52365])
def test_strangers_do_not_reach_ray(port: int) -> None:
    """Whoever reaches the dashboard or the GCS runs code of their own in the cluster."""
    assert not admits(the_policy(), labels=ANYBODY, port=port)
    assert not admits(the_policy(), labels=ANYBODY, port=port, is_own_namespace=True)


@pytest.mark.parametrize("port", [GCS, CLIENT])
def test_not_even_operators_reach_ray_s_inside(port: int) -> None:
    for labels in (OPERATOR, KUBERAY_BY_HELM, KUBERAY_BY_KUSTOMIZE, PROMETHEUS):
        assert not admits(the_policy(), labels=labels, port=port)


@pytest.mark.parametrize("labels", [KUBERAY_BY_HELM, KUBERAY_BY_KUSTOMIZE], ids=["helm", "kustomize"])
def test_kuberay_reaches_the_dashboard_however_it_was_installed(labels: dict[str, str]) -> None:
    """Without it the Serve document is never put."""
    assert admits(the_policy(), labels=labels, port=DASHBOARD)


@pytest.mark.parametrize("port", [SERVE, PROXY_METRICS])
def test_the_operator_reaches_what_it_probes(port: int) -> None:
    assert admits(the_policy(), labels=OPERATOR, port=port)


def test_prometheus_reaches_the_metrics() -> None:
    assert admits(the_policy(), labels=PROMETHEUS, port=METRICS)


def test_callers_reach_the_service() -> None:
    assert admits(the_policy(), labels=ANYBODY, port=SERVE)


@pytest.mark.parametrize("port", [GCS, DASHBOARD, 52365, 33333])
def test_the_resource_s_own_pods_reach_each_other(port: int) -> None:
    assert admits(the_policy(), labels=OWN_RAY_POD, port=port, is_own_namespace=True)


def test_pods_of_another_resource_do_not() -> None:
    other = templates(resource({"metadata.name": "other"}))["large"]["metadata"]["labels"]
    assert not admits(the_policy(), labels=other, port=GCS, is_own_namespace=True)


def test_a_pod_of_the_same_name_in_another_namespace_does_not() -> None:
    assert not admits(the_policy(), labels=OWN_POD, port=GCS)


def test_the_policy_covers_every_pod() -> None:
    selector = the_policy()["spec"]["podSelector"]
    assert all(_matches(selector, template["metadata"]["labels"]) for template in templates(resource()).values())


def test_the_policy_can_be_switched_off() -> None:
    assert manifests.network_policy(resource({"spec.networkPolicy": {"enabled": False}})) is None


def test_the_service_selects_the_ingress_of_one_revision_only() -> None:
    revision = manifests.revision_of(resource())
    selector = manifests.service(resource(), revision=revision)["spec"]["selector"]
    found = {
        group
        for group, template in templates(resource()).items()
        if selector.items() <= template["metadata"]["labels"].items()
    }
    assert found == {"ingress"}
    other = templates(resource({"spec.kubeRay": {"image": "other:1"}}))["ingress"]["metadata"]["labels"]
    assert not selector.items() <= other.items()


@pytest.mark.parametrize("type_", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_the_service_is_of_the_type_that_is_asked_for(type_: str) -> None:
    hd = resource({"spec.ingress.service": {"type": type_}})
    assert manifests.service(hd, revision="0123abcd")["spec"]["type"] == type_


def test_the_url_is_the_service_s() -> None:
    assert manifests.url(resource()) == "http://shapes.pictures.svc:8000"


def test_one_ingress_pod_has_no_budget() -> None:
    """It would keep its node from ever being drained."""
    assert manifests.disruption_budget(resource({"spec.ingress.replicas": 1})) is None


@pytest.mark.parametrize("changes", [{"spec.suspend": True}, {"spec.replicas": 0}], ids=["suspended", "scaled"])
def test_what_is_stopped_has_no_budget(changes: dict[str, Any]) -> None:
    workers = {"spec.segments[0].workers": {"replicas": 1}}
    assert manifests.disruption_budget(resource({"spec.ingress.replicas": 3} | workers | changes)) is None


def test_all_but_one_of_several_ingress_pods_stay() -> None:
    """As a number: of pods without a scale subresource Kubernetes knows no share and no maximum."""
    budget = manifests.disruption_budget(resource({"spec.ingress.replicas": 3}))
    assert budget is not None
    assert budget["spec"]["minAvailable"] == 2
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    selector = budget["spec"]["selector"]
    found = {group for group, each in templates(resource()).items() if _matches(selector, each["metadata"]["labels"])}
    assert found == {"ingress"}
