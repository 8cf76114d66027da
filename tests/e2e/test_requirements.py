"""What is missing for a cluster is named, all of it, with the ways out."""

from pathlib import Path

import pytest

from e2e.cluster import requirements
from e2e.cluster.requirements import NoClusterError


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("KUBEBUILDER_ASSETS", "TEST_ASSET_ETCD"):
        monkeypatch.delenv(variable, raising=False)


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NoClusterError) as caught:
        requirements.check()
    message = str(caught.value)
    assert "it needs root" in message
    assert "`apt-get install " in message
    assert "containerd" in message
    assert "install Go" in message
    assert message.endswith("USE_EXISTING_CLUSTER=true and KUBECONFIG to test on a cluster of yours.")


def test_leaving_it_out_is_a_failure_only_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert not requirements.is_required()
    monkeypatch.setenv("CI", "true")
    assert requirements.is_required()
