"""The chart on a real API server: accepted to the letter, restricted, installed, upgraded, rolled back, uninstalled."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.charts.conftest import CHART, NAMESPACE, Ended, Helm, Manifest, Server, provided

from e2e.cluster import schemas

pytestmark = [pytest.mark.component, pytest.mark.timeout(1800)]

_EVERYTHING = (
    "serviceMonitor.enabled=true",
    "prometheusRule.enabled=true",
    "dashboards.enabled=true",
    "podLabels.team=pictures",
    "imagePullSecrets={registry}",
)
_DEFINITION = "customresourcedefinition/hybriddiffusions.hybriddiffusion.io"
_WHERE = f"--namespace={NAMESPACE}"


@pytest.fixture(scope="module")
def schema_folder(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schemas of all that the server knows, and of the two kinds that it does not."""
    folder = tmp_path_factory.mktemp("schemas")
    with server.plane.client() as connection:
        assert schemas.dump(connection, folder) > 100
    for kind in ("servicemonitor", "prometheusrule"):
        (folder / f"{kind}-monitoring.coreos.com-v1.json").write_text("{}")
    return folder


def conform(manifests: list[Manifest], folder: Path) -> Ended:
    [kubeconform] = provided("kubeconform")
    location = f"-schema-location={schemas.LOCATION.format(folder=folder)}"
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    return subprocess.run([kubeconform, location, "-summary"], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("values", [(), _EVERYTHING, ("watchNamespaces={shapes}",)])
def test_everything_conforms_to_the_servers_own_schemas(
    values: tuple[str, ...], helm: Helm, schema_folder: Path
) -> None:
    manifests = helm.render(*(f"--set={value}" for value in values))
    ended = conform(manifests, schema_folder)
    assert ended.returncode == 0, ended.stdout
    assert f"Valid: {len(manifests)}," in ended.stdout


def test_a_field_that_no_schema_names_does_not_conform(helm: Helm, schema_folder: Path) -> None:
    manifests = helm.render()
    deployment = next(each for each in manifests if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["replicas"] = 2
    assert "additional properties 'replicas' not allowed" in conform(manifests, schema_folder).stdout


def test_the_default_rendering_is_restricted(helm: Helm, server: Server) -> None:
    manifests = helm.render()
    templates = [each["spec"]["template"] for each in manifests if each["kind"] == "Deployment"]
    pods = [each for each in manifests if each["kind"] == "Pod"]
    assert templates
    assert pods
    pods += [_pod(f"pod-{number}", template) for number, template in enumerate(templates)]
    ended = server.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", given=pods)
    assert ended.returncode == 0, ended.stderr
    assert "PodSecurity" not in ended.stderr


def _pod(name: str, template: Manifest) -> Manifest:
    spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


@pytest.fixture
def release(server: Server) -> Iterator[str]:
    name = "walk"
    ended = server.helm("install", name, str(CHART), _WHERE)
    assert ended.returncode == 0, ended.stderr
    yield name
    server.helm("uninstall", name, _WHERE)
    server.kubectl("delete", _DEFINITION)


def replicas(server: Server) -> str:
    return server.kubectl("get", "deployments", _WHERE, "--output=jsonpath={.items[*].spec.replicas}").stdout


def test_the_notes_name_what_comes_next(server: Server, release: str) -> None:
    notes = server.helm("get", "notes", release, _WHERE).stdout
    for command in ("helm test walk", "kubectl apply", "kubectl wait", "helm uninstall walk"):
        assert command in notes


def test_an_upgrade_changes_and_a_rollback_changes_back(server: Server, release: str) -> None:
    assert server.helm("upgrade", release, str(CHART), _WHERE, "--set=replicas=3").returncode == 0
    assert replicas(server) == "3"
    assert server.helm("rollback", release, _WHERE).returncode == 0
    assert replicas(server) == "2"


def test_an_upgrade_brings_the_definition_up_to_date(server: Server, release: str) -> None:
    aged = '{"spec":{"names":{"shortNames":["old"]}}}'
    assert server.kubectl("patch", _DEFINITION, "--type=merge", f"--patch={aged}").returncode == 0
    assert server.helm("upgrade", release, str(CHART), _WHERE, "--set=replicas=1", "--force").returncode == 0
    assert "hd" in server.kubectl("get", _DEFINITION, "--output=jsonpath={.spec.names.shortNames}").stdout


def test_uninstalling_keeps_the_definition_and_so_every_resource(server: Server, release: str) -> None:
    assert server.helm("uninstall", release, _WHERE).returncode == 0
    assert server.kubectl("get", _DEFINITION).returncode == 0
    left = server.kubectl("get", "deployments,services,roles,rolebindings,serviceaccounts", _WHERE, "--output=name")
    assert "walk" not in left.stdout
    cluster = server.kubectl("get", "clusterroles,clusterrolebindings", "--output=name")
    assert "walk" not in cluster.stdout


def test_a_second_installation_takes_the_kept_definition_over(server: Server, release: str) -> None:
    server.helm("uninstall", release, _WHERE)
    ended = server.helm("install", release, str(CHART), _WHERE)
    assert ended.returncode == 0, ended.stderr


def test_without_the_prometheus_operator_a_monitor_is_refused_by_name(server: Server, release: str) -> None:
    ended = server.helm("upgrade", release, str(CHART), _WHERE, "--set=serviceMonitor.enabled=true")
    assert ended.returncode != 0
    assert "ServiceMonitor" in ended.stderr
