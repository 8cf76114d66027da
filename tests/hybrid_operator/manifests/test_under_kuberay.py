"""What KubeRay itself makes of a RayService: it accepts it, and its pods are as their templates say.

KubeRay is the real program, on an API server without nodes: pods are made and admitted, none runs.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.hybrid_operator.manifests.conftest import Make
from tests.hybrid_operator.manifests.samples import Manifest, by_name, everything, parsed, ray_service, variables
from tests.hybrid_operator.manifests.server import Server, until

from e2e.cluster import processes, programs
from e2e.cluster.control_plane import ControlPlane
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests

pytestmark = [pytest.mark.component, pytest.mark.timeout(1800)]

_PODS = "/api/v1/namespaces/restricted/pods"
_CLUSTERS = "/apis/ray.io/v1/namespaces/restricted/rayclusters"
_SERVICES = "/apis/ray.io/v1/namespaces/restricted/rayservices"


@pytest.fixture(scope="module", autouse=True)
def kuberay(plane: ControlPlane, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    place = processes.Place(tmp_path_factory.mktemp("kuberay"))
    kubeconfig = plane.access.write(place.folder / "kubeconfig")
    quiet = ["--enable-leader-election=false", "--metrics-addr=0", "--health-probe-bind-address=0"]
    command = [str(programs.provide("kuberay")), f"--kubeconfig={kubeconfig}", *quiet]
    with processes.running("kuberay", command, place=place):
        yield


@pytest.fixture
def wanted(make: Make) -> HybridDiffusion:
    manifest = make()
    manifest["metadata"] |= {"namespace": "restricted", "uid": f"uid-of-{manifest['metadata']['name']}"}
    return parsed(manifest)


def labelled(hd: HybridDiffusion, **more: str) -> str:
    ours = {"name": hd.metadata.name, "revision": manifests.revision_of(hd), **more}
    return ",".join(f"hybriddiffusion.io/{key}={value}" for key, value in ours.items())


def the_cluster(hd: HybridDiffusion, server: Server) -> Manifest:
    """The RayCluster that KubeRay makes; it has the RayService's labels."""
    server.apply(ray_service(hd))
    (found,) = until(lambda: server.items(_CLUSTERS, labels=labelled(hd)), what="RayCluster")
    return found


def the_pod(hd: HybridDiffusion, server: Server, *, role: str) -> Manifest:
    (found,) = until(lambda: server.items(_PODS, labels=labelled(hd, role=role)), what=f"pod of the {role}")
    return found


def with_a_worker_each(cluster: Manifest, server: Server) -> None:
    """As Ray's autoscaler would."""
    groups = [group | {"replicas": 1} for group in cluster["spec"]["workerGroupSpecs"]]
    path = f"{_CLUSTERS}/{cluster['metadata']['name']}"
    server.change(path, {"spec": {"workerGroupSpecs": groups}})


def container(pod: Manifest, name: str) -> Manifest:
    spec = pod["spec"]
    return by_name([*spec["containers"], *spec.get("initContainers", [])])[name]


def test_kuberay_accepts_every_rayservice(wanted: HybridDiffusion, server: Server) -> None:
    the_cluster(wanted, server)
    (service,) = server.items(_SERVICES, labels=labelled(wanted))
    reasons = {each["reason"] for each in service.get("status", {}).get("conditions", [])}
    assert "ValidationFailed" not in reasons


def test_the_head_is_admitted_with_its_autoscaler(wanted: HybridDiffusion, server: Server) -> None:
    the_cluster(wanted, server)
    head = the_pod(wanted, server, role="head")
    assert [each["name"] for each in head["spec"]["containers"]] == ["ray", "autoscaler"]
    ray, autoscaler = container(head, "ray"), container(head, "autoscaler")
    assert autoscaler["image"] == ray["image"]
    assert autoscaler["securityContext"] == ray["securityContext"]
    assert {each["mountPath"] for each in autoscaler["volumeMounts"]} >= {"/tmp"}


def test_kuberay_finds_the_head_by_the_labels_it_has(wanted: HybridDiffusion, server: Server) -> None:
    """It has two Services for it: the RayCluster's, and the RayService's, which knows nothing of templates."""
    cluster = the_cluster(wanted, server)
    labels = the_pod(wanted, server, role="head")["metadata"]["labels"]
    name = cluster["metadata"]["name"]
    services = until(
        lambda: server.items("/api/v1/namespaces/restricted/services", labels=f"ray.io/cluster={name}"),
        what="Service of the head",
    )
    assert all(service["spec"]["selector"].items() <= labels.items() for service in services)
    assert labels["app.kubernetes.io/name"] == "kuberay"


def test_the_head_s_service_has_the_ports_that_kuberay_needs(wanted: HybridDiffusion, server: Server) -> None:
    name = the_cluster(wanted, server)["metadata"]["name"]
    (service,) = until(
        lambda: server.items("/api/v1/namespaces/restricted/services", labels=f"ray.io/cluster={name}"),
        what="Service of the head",
    )
    ports = {each["name"]: each["port"] for each in service["spec"]["ports"]}
    assert ports.items() >= {"dashboard": 8265, "gcs-server": 6379, "metrics": 8080, "serve": 8000}.items()


def test_workers_are_admitted_as_their_templates_say(wanted: HybridDiffusion, server: Server) -> None:
    with_a_worker_each(the_cluster(wanted, server), server)
    for role in ("ingress", *(segment.name for segment in wanted.spec.segments)):
        pod = the_pod(wanted, server, role=role)
        ray = container(pod, "ray")
        assert container(pod, "wait-gcs-ready")["securityContext"] == ray["securityContext"]
        assert ray["readinessProbe"]["httpGet"]["path"] == "/-/healthz"
        assert "exec" not in ray["readinessProbe"]
        assert pod["spec"]["restartPolicy"] == "Never"


def test_a_node_offers_one_place_and_no_more(wanted: HybridDiffusion, server: Server) -> None:
    with_a_worker_each(the_cluster(wanted, server), server)
    for role in ("ingress", *(segment.name for segment in wanted.spec.segments)):
        (started,) = container(the_pod(wanted, server, role=role), "ray")["args"]
        assert f'--resources={{"hybrid-{role}":1}}' in started.replace("'", "").replace('\\"', '"')


def test_the_service_finds_the_ingress_alone(wanted: HybridDiffusion, server: Server) -> None:
    with_a_worker_each(the_cluster(wanted, server), server)
    ingress = the_pod(wanted, server, role="ingress")
    selector = manifests.service(wanted, revision=manifests.revision_of(wanted))["spec"]["selector"]
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    found = server.items(_PODS, labels=labels)
    assert [each["metadata"]["name"] for each in found] == [ingress["metadata"]["name"]]


def test_the_only_secrets_in_an_environment_are_those_that_kuberay_puts_there(server: Server) -> None:
    manifest = everything()
    manifest["metadata"] |= {"namespace": "restricted"}
    hd = parsed(manifest)
    the_cluster(hd, server)
    ray = container(the_pod(hd, server, role="head"), "ray")
    assert {each["name"] for each in ray["env"] if _is_secret(each)} == {"RAY_AUTH_TOKEN", "REDIS_PASSWORD"}
    assert variables(ray)["RAY_REDIS_ADDRESS"] == "redis:6379"


def _is_secret(variable: dict[str, Any]) -> bool:
    return "secretKeyRef" in variable.get("valueFrom", {})
