"""`USE_EXISTING_CLUSTER=true`: tests on a cluster of the reader's, where nothing is taken for granted or taken away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.component.operator.planes import install_kuberay

from e2e import release
from e2e.cluster import fake_nodes, session
from e2e.cluster.control_plane import ControlPlane, control_plane
from e2e.cluster.requirements import NoClusterError

SAMPLE = Path(release.__file__).parent / "samples" / "shapes.yaml"


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """A cluster that nobody here made, where pods become ready and run nothing."""
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    with control_plane(tmp_path, with_controllers=True) as plane, fake_nodes.running(plane, nodes=1):
        monkeypatch.setenv("KUBECONFIG", str(plane.access.write(tmp_path / "kubeconfig")))
        yield plane


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(NoClusterError, match="nowhere"), session.cluster():
        pass


@pytest.mark.full
def test_the_chart_comes_and_goes_and_the_reader_s_resources_stay(readers: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(NoClusterError, match="install KubeRay"), session.cluster():
        pass
    install_kuberay(readers)
    with session.cluster() as cluster:
        with release.installed(cluster, tmp_path):
            cluster.apply(list(yaml.safe_load_all(SAMPLE.read_text())), "--namespace=default")
            namespace = f"--namespace={release.NAMESPACE}"
            assert cluster.get("deployment", release.OPERATOR, namespace)["status"]["readyReplicas"] == 2
        assert cluster.get("deployments", namespace)["items"] == []
        (kept,) = cluster.get("hybriddiffusions", "--namespace=default")["items"]
        assert kept["metadata"]["name"] == "shapes"
