"""The pods of a resource: who gets secrets, what a template may change and what not, what a pod asks for."""

from copy import deepcopy
from typing import Any

import pytest
from tests.hybrid_operator.manifests.samples import (
    IMAGE,
    by_name,
    containers,
    everything,
    parsed,
    ray,
    rendered,
    resource,
    templates,
    variables,
)

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests
from hybrid_operator import occupancy as operators_view
from hybrid_serving.cloud import occupancy

WORKER_TEMPLATE = "spec.segments[0].workers.podTemplate"


def test_only_ingress_pods_hold_keys(hd: HybridDiffusion) -> None:
    for group, template in templates(hd).items():
        volumes = template["spec"].get("volumes", [])
        assert any("secret" in each or "projected" in each for each in volumes) == (group == "ingress")


def test_every_pod_that_books_what_it_does_knows_the_ledger_and_no_other() -> None:
    found = templates(resource({"spec.cost.ledgerSecretRef": {"name": "books"}}))
    mounted = {
        group
        for group, each in found.items()
        if "/etc/hybrid-diffusion/ledger" in {mount["mountPath"] for mount in ray(each)["volumeMounts"]}
    }
    assert mounted == {"ingress", "large", "small"}
    assert by_name(found["large"]["spec"]["volumes"])["ledger"]["secret"]["secretName"] == "books"


def test_no_environment_refers_to_a_secret(hd: HybridDiffusion) -> None:
    for template in templates(hd).values():
        for container in (*template["spec"]["containers"], *template["spec"].get("initContainers", [])):
            assert not [each for each in container.get("env", []) if "valueFrom" in each]
            assert "envFrom" not in container


def test_every_pod_is_restricted(hd: HybridDiffusion) -> None:
    for template in templates(hd).values():
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] > 0
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert ray(template)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def test_only_the_head_may_talk_to_the_api_server(hd: HybridDiffusion) -> None:
    may = {group: each["spec"].get("automountServiceAccountToken", True) for group, each in templates(hd).items()}
    assert may.pop("head")
    assert not any(may.values())


def test_every_pod_can_write_where_ray_does(hd: HybridDiffusion) -> None:
    for template in templates(hd).values():
        mounts = {each["mountPath"]: each["name"] for each in ray(template)["volumeMounts"]}
        assert "emptyDir" in by_name(template["spec"]["volumes"])[mounts["/tmp"]]


def test_every_mount_has_its_volume(hd: HybridDiffusion) -> None:
    for template in templates(hd).values():
        volumes = {each["name"] for each in template["spec"].get("volumes", [])}
        for container in (*template["spec"]["containers"], *template["spec"].get("initContainers", [])):
            assert {each["name"] for each in container.get("volumeMounts", [])} <= volumes


def test_services_of_the_namespace_do_not_leak_into_the_environment(hd: HybridDiffusion) -> None:
    """A Service named `ray-serve` would set RAY_SERVE_PORT."""
    assert all(template["spec"]["enableServiceLinks"] is False for template in templates(hd).values())


def test_the_head_leaves_the_label_by_which_kuberay_finds_it_alone() -> None:
    """KubeRay's Service for a RayService's head selects its own value of this label."""
    assert "app.kubernetes.io/name" not in templates(resource())["head"]["metadata"]["labels"]


def test_the_head_leaves_its_ports_to_kuberay() -> None:
    """KubeRay's Services have the ports of the head's container, and all that are needed only if it names none."""
    assert "ports" not in ray(templates(resource())["head"])


def test_pods_are_told_apart_by_role_and_segment() -> None:
    found = {group: each["metadata"]["labels"] for group, each in templates(resource()).items()}
    assert {group: each["hybriddiffusion.io/role"] for group, each in found.items()} == {
        "head": "head",
        "ingress": "ingress",
        "large": "large",
        "small": "small",
    }
    assert {each.get("hybriddiffusion.io/segment") for each in found.values()} == {None, "large", "small"}


def test_a_template_cannot_take_our_labels_away() -> None:
    """The Service would lose the pod, or get a worker's."""
    theirs = {"hybriddiffusion.io/role": "ingress", "hybriddiffusion.io/name": "other", "example.com/team": "pictures"}
    hd = resource({WORKER_TEMPLATE: {"metadata": {"labels": theirs}}})
    labels = templates(hd)["large"]["metadata"]["labels"]
    assert labels["hybriddiffusion.io/role"] == "large"
    assert labels["hybriddiffusion.io/name"] == "shapes"
    assert labels["example.com/team"] == "pictures"


def test_a_sidecar_comes_after_ray() -> None:
    """KubeRay takes the first container for Ray's."""
    hd = resource({WORKER_TEMPLATE: containers({"name": "sidecar", "image": "a"}, {"name": "ray", "tty": True})})
    large = templates(hd)["large"]
    assert [each["name"] for each in large["spec"]["containers"]] == ["ray", "sidecar"]
    assert ray(large)["tty"]


def test_a_variable_of_the_template_wins() -> None:
    hd = resource(
        {WORKER_TEMPLATE: containers({"name": "ray", "env": [{"name": "RAY_worker_niceness", "value": "5"}]})}
    )
    ours, theirs = (variables(ray(templates(hd)[group])) for group in ("small", "large"))
    assert theirs == ours | {"RAY_worker_niceness": "5"}


def test_the_template_of_a_part_wins_over_the_common_one() -> None:
    common, own = {"spec": {"priorityClassName": "common", "hostUsers": False}}, {"spec": {"priorityClassName": "own"}}
    hd = resource({"spec.kubeRay": {"podTemplate": common}, "spec.ingress.podTemplate": own})
    found = {group: each["spec"]["priorityClassName"] for group, each in templates(hd).items()}
    assert found == {"head": "common", "ingress": "own", "large": "common", "small": "common"}
    assert templates(hd)["ingress"]["spec"]["hostUsers"] is False


def test_the_image_is_the_resource_s_before_the_operator_s() -> None:
    assert ray(templates(resource())["large"])["image"] == IMAGE
    assert ray(templates(resource({"spec.kubeRay": {"image": "mine:1"}}))["large"])["image"] == "mine:1"


def test_every_pod_may_fetch_a_private_image() -> None:
    defaults = manifests.Defaults(image=IMAGE, pull_secrets=("registry",))
    cluster = manifests.rendering(resource(), defaults=defaults)["rayService"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_a_worker_asks_for_as_many_cores_as_its_engine_has_threads() -> None:
    hd = resource({"spec.segments[0].engine.threads": 6})
    assert ray(templates(hd)["large"])["resources"]["requests"]["cpu"] == "6"


@pytest.mark.parametrize("kind", ["requests", "limits"])
def test_an_amount_that_a_template_states_is_not_touched(kind: str) -> None:
    """A request above our limit, or ours above their limit, would be refused."""
    stated = {kind: {"cpu": "100m", "memory": "128Mi"}}
    hd = resource({WORKER_TEMPLATE: containers({"name": "ray", "resources": stated})})
    assert ray(templates(hd)["large"])["resources"] == stated


def test_a_gpu_is_added_to_what_a_worker_asks_for_anyway() -> None:
    stated = {"limits": {"nvidia.com/gpu": 1}}
    hd = resource({WORKER_TEMPLATE: containers({"name": "ray", "resources": stated})})
    found = ray(templates(hd)["large"])["resources"]
    assert found["limits"]["nvidia.com/gpu"] == 1
    assert {"cpu", "memory"} <= found["requests"].keys()


def test_every_pod_outlives_what_ray_drains() -> None:
    """Ray ends at its own deadline; Kubernetes must not end it before."""
    for group, template in templates(resource()).items():
        drain = float(variables(ray(template)).get("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S") or 30)
        if group != "head":
            assert template["spec"]["terminationGracePeriodSeconds"] >= drain + 30


def test_the_head_does_not_wait_for_requests_that_it_never_has() -> None:
    """Its autoscaler's shell ignores the first signal: a deletion would always take the whole time."""
    assert templates(resource())["head"]["spec"]["terminationGracePeriodSeconds"] <= 30


def test_an_ingress_pod_is_ready_when_its_proxy_answers() -> None:
    probe = ray(templates(resource())["ingress"])["readinessProbe"]
    assert probe["httpGet"] == {"path": "/-/healthz", "port": 8000}
    assert probe["periodSeconds"] <= 2


def test_ingress_pods_are_spread_over_nodes_but_run_on_one_if_they_must() -> None:
    template = templates(resource())["ingress"]
    (spread,) = template["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_without_api_keys_only_the_signing_keys_are_mounted() -> None:
    hd = resource({"spec.ingress": {"replicas": 1}})
    mounts = {each["mountPath"] for each in ray(templates(hd)["ingress"])["volumeMounts"]}
    assert "/etc/hybrid-diffusion/signing" in mounts
    assert "/etc/hybrid-diffusion/api-keys" not in mounts


def test_the_probe_s_key_lies_among_the_tenants() -> None:
    (volume,) = [each for each in templates(resource())["ingress"]["spec"]["volumes"] if "projected" in each]
    secrets = [source["secret"] for source in volume["projected"]["sources"]]
    assert secrets[0] == {"name": "keys"}
    assert secrets[1] == {"name": "shapes-probe", "items": [{"key": "probe", "path": "probe"}]}


def test_keys_are_where_replicas_look_for_them() -> None:
    container = ray(templates(resource())["ingress"])
    folder = variables(container)["HYBRID_MOUNT_PATH"]
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert all(mounts[f"{folder}/{name}"]["readOnly"] for name in ("api-keys", "signing"))


def test_a_worker_without_a_shared_cache_builds_its_engines_first() -> None:
    large = templates(resource())["large"]
    builder = large["spec"]["initContainers"][0]
    assert builder["command"][:4] == ["python", "-m", "hybrid_engines", "build"]
    cache = variables(ray(large))["HYBRID_ENGINE_CACHE"]
    assert cache in {each["mountPath"] for each in builder["volumeMounts"]}
    assert cache in {each["mountPath"] for each in ray(large)["volumeMounts"]}


def test_a_worker_with_a_shared_cache_builds_nothing() -> None:
    assert "initContainers" not in templates(parsed(everything()))["large"]["spec"]


def test_what_a_template_starts_before_ray_starts_before_engines_are_built_from_what_it_fetched() -> None:
    first = {"name": "weights", "image": "fetch:1"}
    hd = resource({WORKER_TEMPLATE: {"spec": {"initContainers": [first]}}})
    started = templates(hd)["large"]["spec"]["initContainers"]
    assert started[0] == first
    assert [each["name"] for each in started] == ["weights", "engines"]


def test_rendering_changes_nothing_in_the_resource(hd: HybridDiffusion) -> None:
    before = deepcopy(hd)
    _spoil(rendered(hd))
    assert hd == before


def _spoil(value: Any) -> None:
    for inner in list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        _spoil(inner)
    if isinstance(value, dict):
        value["spoilt"] = True
    if isinstance(value, list):
        value.append("spoilt")


def test_a_worker_is_told_what_it_occupies_so_that_it_can_price_its_time() -> None:
    template = templates(resource({WORKER_TEMPLATE: _with_gpus()}))["large"]
    told = occupancy.read(variables(ray(template)), threads=99)
    assert told == operators_view.of_pod(template)
    assert (told.gpus, told.gpu_type) == (2, "nvidia-l4")
    assert template["metadata"]["labels"]["hybriddiffusion.io/gpu-type"] == "nvidia-l4"


def test_a_user_cannot_make_a_worker_price_itself_otherwise() -> None:
    own = {"name": "ray", "env": [{"name": "HYBRID_POD_CPU_CORES", "value": "0"}]}
    template = templates(resource({WORKER_TEMPLATE: {"spec": {"containers": [own]}}}))["large"]
    assert [each for each in ray(template)["env"] if each["name"] == "HYBRID_POD_CPU_CORES"] == [
        {"name": "HYBRID_POD_CPU_CORES", "value": "2"}
    ]


def _with_gpus() -> dict[str, Any]:
    container = {"name": "ray", "resources": {"requests": {"cpu": "4", "memory": "16Gi"}}}
    container["resources"]["limits"] = {"nvidia.com/gpu": "2"}  # type: ignore[index]
    selector = {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    return {"spec": {"nodeSelector": selector, "containers": [container]}}
