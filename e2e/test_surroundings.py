"""What stands around the pods comes and goes with its switch, engines are built by Jobs, and no right is too many.

No Ray pod has to be ready here.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import pod_monitors, release, resource, rights
from e2e.cluster.cluster import Cluster, Manifest
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

_CHANGE_SECONDS = 30.0
_BUILD_SECONDS = 240.0
_COMPARED_SECONDS = 120.0
"""A kind that was installed a moment ago is watched only after the next look for kinds."""


def volume(name: str, path: str) -> list[Manifest]:
    """A folder of the node as a claim that pods of any user can write to."""
    size = {"storage": "1Gi"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": size,
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "hostPath": {"path": path},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "volumeName": name,
                "resources": {"requests": size},
            },
        },
    ]


@pytest.fixture(scope="module")
def tour(operator: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resource]:
    """The sample under another name, its engines on a volume, its signing key made by the operator."""
    if operator.place is None:
        pytest.skip("Volumes of a cluster that is not ours are its owner's.")
    folder = tmp_path_factory.mktemp("engines")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o777)
    operator.apply(volume("engines", str(folder)))
    tour = Resource(operator, name="tour")
    tour.apply(_documents(operator))
    yield tour
    tour.delete()


def _documents(cluster: Cluster) -> list[Manifest]:
    def change(spec: dict[str, Any]) -> None:
        spec["engineCache"] = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "engines"}}
        del spec["handoff"]["signingKeySecretRef"]
        for segment in spec["segments"]:
            segment["engine"] |= {"backend": "Eager", "batchSizes": [1]}

    documents = resource.sample(cluster, change)
    next(each for each in documents if each["kind"] == "HybridDiffusion")["metadata"]["name"] = "tour"
    return documents


def _is_there(tour: Resource, kind: str, name: str) -> bool:
    return bool(tour.cluster.get(kind, "--namespace=default", f"--field-selector=metadata.name={name}")["items"])


def _comes(tour: Resource, kind: str, name: str) -> None:
    eventually(lambda: _is_there(tour, kind, name), seconds=_CHANGE_SECONDS, what=f"{kind} {name} is there")


def _goes(tour: Resource, kind: str, name: str, *, seconds: float = _CHANGE_SECONDS) -> None:
    eventually(lambda: not _is_there(tour, kind, name), seconds=seconds, what=f"{kind} {name} is gone")


def test_engines_of_a_shared_cache_are_built_by_a_job_for_each_segment(tour: Resource) -> None:
    tour.wait("EnginesReady", seconds=_BUILD_SECONDS)
    jobs = tour.cluster.get("jobs", "--namespace=default", "--selector=hybriddiffusion.io/name=tour")["items"]
    assert {job["metadata"]["labels"]["hybriddiffusion.io/segment"] for job in jobs} == {"large", "small"}


def test_a_network_policy_comes_and_goes_with_its_switch(tour: Resource) -> None:
    _comes(tour, "networkpolicy", "tour")
    tour.patch({"networkPolicy": {"enabled": False}})
    _goes(tour, "networkpolicy", "tour")


def test_a_disruption_budget_is_there_where_two_ingress_pods_are(tour: Resource) -> None:
    tour.patch({"ingress": {"replicas": 2}})
    _comes(tour, "poddisruptionbudget", "tour-ingress")
    tour.patch({"ingress": {"replicas": 1}})
    _goes(tour, "poddisruptionbudget", "tour-ingress")


def test_a_new_signing_key_is_made_on_request(tour: Resource) -> None:
    _comes(tour, "secret", "tour-signing")
    annotation = "hybriddiffusion.io/rotate-signing-key=today"
    tour.cluster.kubectl("annotate", "hybriddiffusion", "tour", "--namespace=default", annotation)

    def keys() -> int:
        return len(tour.cluster.get("secret", "tour-signing", "--namespace=default")["data"])

    eventually(lambda: keys() == 2, seconds=_CHANGE_SECONDS, what="a second signing key")


def test_a_signing_key_that_was_made_goes_when_another_is_named(tour: Resource) -> None:
    _comes(tour, "secret", "tour-signing")
    tour.patch({"handoff": {"signingKeySecretRef": {"name": "signing"}}})
    # Pods of the revision before mount it, so it stays for as long as that one does.
    _goes(tour, "secret", "tour-signing", seconds=_BUILD_SECONDS)


def test_a_monitor_comes_when_the_prometheus_operator_does(tour: Resource) -> None:
    tour.cluster.apply([pod_monitors.definition()])
    # The operator notices new kinds when it compares; a restart is its next comparison.
    tour.cluster.kubectl("rollout", "restart", f"deployment/{release.OPERATOR}", f"--namespace={release.NAMESPACE}")
    eventually(lambda: _is_there(tour, "podmonitor", "tour"), seconds=90.0, what="the PodMonitor is there")
    tour.patch({"podMonitor": {"enabled": False}})
    _goes(tour, "podmonitor", "tour")


def test_the_jobs_of_a_revision_go_with_it(tour: Resource) -> None:
    selector = "--selector=hybriddiffusion.io/name=tour"
    jobs = tour.cluster.get("jobs", "--namespace=default", selector)["items"]
    before = {job["metadata"]["name"] for job in jobs}
    segments = tour.cluster.get("hybriddiffusion", "tour", "--namespace=default")["spec"]["segments"]
    segments[0]["engine"]["batchSizes"] = [1, 2]
    tour.patch({"segments": segments})
    for name in before:
        _goes(tour, "job", name)


def test_the_operator_may_do_what_it_does_and_nothing_more(tour: Resource, request: pytest.FixtureRequest) -> None:
    who = {"account": release.OPERATOR, "namespace": release.NAMESPACE}
    assert tour.cluster.place is not None
    log = tour.cluster.place.folder / "audit.log"
    assert rights.refused(log, **who) == set()
    if not any("test_story" in item.nodeid for item in request.session.items):
        pytest.skip("Which rights are used shows only in a whole run.")
    granted = rights.granted(tour.cluster, **who)
    assert (used := rights.used(log, **who)) <= granted, json.dumps(sorted(used - granted))
    eventually(
        lambda: granted <= rights.used(log, **who),
        seconds=_COMPARED_SECONDS,
        what=lambda: f"all rights are used: {json.dumps(sorted(granted - rights.used(log, **who)))}",
    )
