"""The service that the end-to-end tests share, and the pictures it draws when nothing disturbs it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import load, release, resource, served
from e2e.cluster import requirements, session
from e2e.cluster.cluster import Cluster
from e2e.resource import Resource

READY_SECONDS = 180.0
"""From `kubectl apply` of a resource whose images are there."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever needs pods, before marks decide what is run."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)


def _two_large(spec: dict[str, Any]) -> None:
    for segment in spec["segments"]:
        segment["workers"] = {"replicas": 2 if segment["name"] == "large" else 1}


@pytest.fixture(scope="session")
def documents() -> list[dict[str, Any]]:
    return served.sample(_two_large)


@pytest.fixture(scope="session")
def service(documents: list[dict[str, Any]]) -> Iterator[served.Served]:
    with served.serving(documents, port=8123) as running:
        yield running


@pytest.fixture(scope="session")
def expected(service: served.Served) -> dict[load.Ask, str]:
    """Digest of every picture, drawn alone."""
    client = service.client()
    return {ask: load.digest(client, ask) for ask in load.ASKS}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Kubernetes with real pods. Where there can be none, its tests are left out by name; in CI that is a failure."""
    try:
        with session.cluster() as running:
            yield running
    except requirements.NoClusterError as error:
        if requirements.is_required():
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, with KubeRay and the operator in it."""
    with release.installed(cluster, tmp_path_factory.mktemp("release")):
        yield cluster


@pytest.fixture(scope="session")
def shapes(operator: Cluster) -> Iterator[Resource]:
    """The README's sample, Ready. Whoever changes it puts it back; the last of its tests deletes it, if it is run."""
    shapes = Resource(operator)
    started = shapes.apply(resource.sample(operator))
    shapes.wait("Ready", seconds=READY_SECONDS)
    print(f"\nReady {time.monotonic() - started:.0f} s after `kubectl apply`.")
    yield shapes
    if operator.place is None and shapes.exists():  # one of ours takes all that is in it along
        shapes.delete()
