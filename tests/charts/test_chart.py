"""The chart: what Helm renders is what Kubernetes accepts, and values that cannot act are refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.charts.conftest import Helm

from hybrid_api import crd

_ROOT = Path(__file__).parents[2]
_CHART = _ROOT / "charts" / "hybrid-diffusion"
_CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}

Manifest = dict[str, Any]


def one(manifests: list[Manifest], kind: str, *, namespace: str | None = None) -> Manifest:
    found = [each for each in manifests if each["kind"] == kind]
    found = [each for each in found if namespace in {None, each["metadata"].get("namespace")}]
    assert len(found) == 1, found
    return found[0]


def container(manifests: list[Manifest]) -> Manifest:
    return one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def environment(manifests: list[Manifest]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(manifests)["env"]}


def test_a_misspelt_value_is_refused_by_name(helm: Helm) -> None:
    ended = helm("template", "release", str(_CHART), "--set=replicaCount=2")
    assert ended.returncode != 0
    assert "replicaCount" in ended.stderr


@pytest.mark.parametrize("value", ["replicas=-1", "image.digest=latest", "watchNamespaces={Shapes}", "resyncSeconds=1"])
def test_a_value_out_of_range_is_refused(helm: Helm, value: str) -> None:
    ended = helm("template", "release", str(_CHART), f"--set={value}")
    assert ended.returncode != 0
    assert value.partition("=")[0].replace(".", "/") in ended.stderr.replace(".", "/")


def test_an_account_that_is_neither_made_nor_named_is_refused(helm: Helm) -> None:
    ended = helm("template", "release", str(_CHART), "--set=serviceAccount.create=false")
    assert "name an account that exists" in ended.stderr


def test_every_value_is_described_and_every_description_has_a_value() -> None:
    schema = json.loads((_CHART / "values.schema.json").read_text())
    values = yaml.safe_load((_CHART / "values.yaml").read_text())
    assert described(schema) == set(paths(values))


def described(schema: Manifest, above: str = "") -> set[str]:
    found = set()
    for name, each in schema["properties"].items():
        if name == "global":
            continue
        assert each.get("description") or "properties" in each, f"{above}{name} has no description"
        found |= described(each, f"{above}{name}.") if "properties" in each else {above + name}
    return found


def paths(values: Manifest, above: str = "") -> list[str]:
    free = {"resources", "podSecurityContext", "securityContext", "labels"}
    return [
        path
        for name, value in values.items()
        for path in (
            paths(value, f"{above}{name}.")
            if isinstance(value, dict) and value and name not in free
            else [above + name]
        )
    ]


def test_it_lints_clean(helm: Helm) -> None:
    ended = helm("lint", "--strict", str(_CHART))
    assert ended.returncode == 0, ended.stdout


def test_the_definition_is_the_generated_one_and_helm_keeps_it(helm: Helm) -> None:
    definition = one(helm.render(), "CustomResourceDefinition")
    assert definition["metadata"].pop("annotations")["helm.sh/resource-policy"] == "keep"
    generated = crd.definition()
    generated["metadata"].pop("annotations", None)
    assert definition == generated


def test_the_definition_can_be_left_to_someone_else(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.render("--set=crd.install=false")}
    assert "CustomResourceDefinition" not in kinds


def test_namespaces_get_roles_of_their_own_and_nothing_acts_on_the_cluster(helm: Helm) -> None:
    manifests = helm.render("--set=watchNamespaces={shapes,other},rbac.aggregate=false")
    assert not _CLUSTER_WIDE & {each["kind"] for each in manifests}
    places = {each["metadata"]["namespace"] for each in manifests if each["kind"] == "Role"}
    assert places == {"shapes", "other", "operators"}
    assert environment(manifests)["HYBRID_WATCH_NAMESPACES"] == "shapes,other"


def test_without_namespaces_one_role_holds_everywhere(helm: Helm) -> None:
    manifests = helm.render("--set=rbac.aggregate=false")
    rules = one(manifests, "ClusterRole")["rules"]
    assert rules == one(helm.render("--set=watchNamespaces={shapes}"), "Role", namespace="shapes")["rules"]
    assert environment(manifests)["HYBRID_WATCH_NAMESPACES"] == ""


@pytest.mark.parametrize(("role", "verbs"), [("view", {"get"}), ("edit", {"get", "update", "patch"})])
def test_users_may_read_a_scale_and_who_edits_may_change_it(helm: Helm, role: str, verbs: set[str]) -> None:
    """`kubectl scale` and autoscalers read it before they write."""
    label = f"rbac.authorization.k8s.io/aggregate-to-{role}"
    (found,) = (each for each in helm.render() if label in each["metadata"].get("labels", {}))
    rules = [rule for rule in found["rules"] if "hybriddiffusions/scale" in rule["resources"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == verbs


def test_no_rule_is_a_wildcard(helm: Helm) -> None:
    for manifest in helm.render():
        for rule in manifest.get("rules", []) if manifest["kind"] in {"Role", "ClusterRole"} else []:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_a_digest_wins_over_a_tag(helm: Helm) -> None:
    digest = f"sha256:{'0' * 64}"
    manifests = helm.render(f"--set=image.digest={digest},image.tag=latest,servingImage.digest={digest}")
    assert container(manifests)["image"].endswith(f"@{digest}")
    assert environment(manifests)["HYBRID_SERVING_IMAGE"].endswith(f"@{digest}")


def test_secrets_for_the_serving_image_reach_the_operator_s_settings(helm: Helm) -> None:
    manifests = helm.render("--set=servingImage.pullSecrets={one,two}")
    assert environment(manifests)["HYBRID_PULL_SECRETS"] == "one,two"
    assert environment(helm.render())["HYBRID_PULL_SECRETS"] == ""


def test_secrets_are_named_as_kubernetes_names_them(helm: Helm) -> None:
    helm.render("--set=imagePullSecrets={ghcr.example.com},servingImage.pullSecrets={a.b-c.d}")
    for wrong in ("..", "a/b", ".a", "A"):
        assert helm("template", "release", str(_CHART), f"--set=imagePullSecrets={{{wrong}}}").returncode != 0


@pytest.mark.parametrize("release", ["team.v2", "2024", "3d-studio", "hybrid-diffusion", "a" * 53])
def test_a_release_may_be_called_what_helm_allows(helm: Helm, release: str) -> None:
    rendered = helm("template", release, str(_CHART), "--namespace=2024")
    assert rendered.returncode == 0, rendered.stderr
    manifests = [each for each in yaml.safe_load_all(rendered.stdout) if each]
    service = one(manifests, "Service")
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service["metadata"]["name"])
    for manifest in manifests:
        texts = [*manifest["metadata"].get("labels", {}).values(), manifest["metadata"].get("namespace", "")]
        assert all(isinstance(text, str) for text in texts), manifest
    selector = one(manifests, "Deployment")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert selector["app.kubernetes.io/instance"] == release


def test_names_that_look_like_numbers_stay_names(helm: Helm, tmp_path: Path) -> None:
    values = {
        "watchNamespaces": ["2024", "1e3"],
        "imagePullSecrets": ["1.5"],
        "priorityClassName": "0x10",
        "serviceAccount": {"create": False, "name": "7"},
    }
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    manifests = helm.render(f"--values={tmp_path / 'values.yaml'}")
    spec = one(manifests, "Deployment")["spec"]["template"]["spec"]
    assert (spec["imagePullSecrets"], spec["priorityClassName"], spec["serviceAccountName"]) == (
        [{"name": "1.5"}],
        "0x10",
        "7",
    )
    roles = [each for each in manifests if each["kind"] in {"Role", "RoleBinding"}]
    assert {each["metadata"]["namespace"] for each in roles} >= {"2024", "1e3"}
    names = [subject["name"] for each in roles for subject in each.get("subjects", [])]
    assert set(names) == {"7"}


def test_the_test_runs_where_the_operator_may_run(helm: Helm, tmp_path: Path) -> None:
    where = {
        "nodeSelector": {"pool": "control"},
        "tolerations": [{"key": "control", "operator": "Exists"}],
        "priorityClassName": "important",
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(where))
    manifests = helm.render(f"--values={tmp_path / 'values.yaml'}")
    for spec in (one(manifests, "Pod")["spec"], one(manifests, "Deployment")["spec"]["template"]["spec"]):
        assert {name: spec[name] for name in where} == where


def test_a_price_list_is_mounted_where_the_operator_looks_for_it(helm: Helm) -> None:
    assert "HYBRID_PRICES_PATH" not in environment(helm.render())
    manifests = helm.render("--set=prices.currency=USD", "--set-string=prices.gpuHour\\.nvidia-l4=0.71")
    path = environment(manifests)["HYBRID_PRICES_PATH"]
    (mount,) = (each for each in container(manifests)["volumeMounts"] if each["mountPath"] == path)
    volumes = one(manifests, "Deployment")["spec"]["template"]["spec"]["volumes"]
    (volume,) = (each for each in volumes if each["name"] == mount["name"])
    config_map = one(manifests, "ConfigMap")
    assert volume["configMap"]["name"] == config_map["metadata"]["name"]
    assert config_map["data"] == {"currency": "USD", "gpuHour.nvidia-l4": "0.71"}


def test_a_price_for_nothing_known_is_refused(helm: Helm) -> None:
    assert helm("template", "release", str(_CHART), "--set-string=prices.cpuHour=1").returncode != 0


def test_a_budget_would_block_the_only_pod_so_there_is_none(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.render("--set=replicas=1")}
    assert "PodDisruptionBudget" not in kinds
    assert one(helm.render(), "PodDisruptionBudget")


def test_everything_extra_reaches_the_pod(helm: Helm, tmp_path: Path) -> None:
    extra = {
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraVolumes": [{"name": "machine", "hostPath": {"path": "/usr"}}],
        "extraVolumeMounts": [{"name": "machine", "mountPath": "/usr", "readOnly": True}],
        "imagePullSecrets": ["registry"],
        "podLabels": {"team": "pictures"},
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(extra))
    manifests = helm.render(f"--values={tmp_path / 'values.yaml'}")
    template = one(manifests, "Deployment")["spec"]["template"]
    assert environment(manifests)["A"] == "b"
    assert extra["extraVolumes"][0] in template["spec"]["volumes"]
    assert extra["extraVolumeMounts"][0] in container(manifests)["volumeMounts"]
    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert template["metadata"]["labels"]["team"] == "pictures"


def test_a_monitor_carries_the_labels_that_prometheus_selects_by(helm: Helm) -> None:
    label = "--set=serviceMonitor.enabled=true,serviceMonitor.additionalLabels.release=prometheus"
    assert one(helm.render(label), "ServiceMonitor")["metadata"]["labels"]["release"] == "prometheus"
    assert "ServiceMonitor" not in {each["kind"] for each in helm.render()}


def test_the_rules_are_the_generated_ones(helm: Helm) -> None:
    rules = one(helm.render("--set=prometheusRule.enabled=true"), "PrometheusRule")["spec"]
    assert rules == yaml.safe_load((_CHART / "rules" / "rules.yaml").read_text())


def test_every_dashboard_is_a_config_map_that_grafana_finds(helm: Helm) -> None:
    maps = [each for each in helm.render("--set=dashboards.enabled=true") if each["kind"] == "ConfigMap"]
    assert {name for each in maps for name in each["data"]} == {path.name for path in _CHART.glob("dashboards/*.json")}
    for each in maps:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        [text] = each["data"].values()
        assert json.loads(text)["panels"]
