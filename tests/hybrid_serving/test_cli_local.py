"""Ray as a child: with a token of its own, invisible to others' settings, and gone without a trace afterwards."""

import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from hybrid_serving.cli import ray_environment
from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.local import LocalRay
from hybrid_serving.cli.serve_api import ServeApi


def an_environment(tmp_path: Path, *, with_haproxy: bool = True, **inherited: str) -> dict[str, str]:
    return ray_environment.environment(
        inherited,
        session_folder=tmp_path,
        token=tmp_path / "token",
        mounts=tmp_path / "mounts",
        with_haproxy=with_haproxy,
    )


def test_another_rays_address_and_token_do_not_reach_ours(tmp_path: Path) -> None:
    found = an_environment(tmp_path, RAY_ADDRESS="ray://elsewhere", RAY_AUTH_TOKEN="theirs", PATH="/bin")
    assert "RAY_ADDRESS" not in found
    assert "RAY_AUTH_TOKEN" not in found
    assert found["PATH"] == "/bin"
    assert found["RAY_AUTH_MODE"] == "token"


def test_without_a_proxy_binary_serve_is_not_told_to_use_one(tmp_path: Path) -> None:
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in an_environment(tmp_path, with_haproxy=False)
    assert an_environment(tmp_path)["RAY_SERVE_ENABLE_HA_PROXY"] == "1"


def test_a_binary_that_is_not_there_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", "/nowhere/haproxy")
    assert ray_environment.haproxy_binary() is None


def test_a_port_in_use_is_not_free() -> None:
    port = ray_environment.free_port()
    assert ray_environment.is_free(port)
    with httpx.Client() as _, ray_environment.socket.socket() as holder:
        holder.bind((ray_environment.LOOPBACK, port))
        holder.listen()
        assert not ray_environment.is_free(port)


def test_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    path = ray_environment.write_token(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert len(path.read_text()) >= 32


def test_a_ray_that_was_not_started_cannot_be_waited_for(tmp_path: Path) -> None:
    with LocalRay(mounts=tmp_path) as ray, pytest.raises(Failure, match="was not started"):
        ray.wait()


def test_a_failure_keeps_the_logs_and_names_them(tmp_path: Path) -> None:
    with (
        pytest.raises(Failure, match=r"It broke\. Ray's logs are in /tmp/") as caught,
        LocalRay(mounts=tmp_path) as ray,
    ):
        raise Failure("It broke.")
    assert ray.folder.exists()
    assert str(ray.folder) in str(caught.value)
    ray.discard()


def test_an_interrupt_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), LocalRay(mounts=tmp_path) as ray:
        raise KeyboardInterrupt
    assert not ray.folder.exists()


@pytest.mark.component
def test_it_answers_its_own_token_only_and_is_gone_afterwards(tmp_path: Path) -> None:
    others = set(psutil.Process().children(recursive=True))  # of tests that share this process
    with LocalRay(mounts=tmp_path) as ray:
        ray.start()
        ray.wait()
        family = set(psutil.Process().children(recursive=True)) - others
        assert family
        url = f"{ray.dashboard_url}/api/serve/applications/"
        assert httpx.get(url, trust_env=False).status_code == 401
        with ServeApi(ray.dashboard_url, token=ray.token_path.read_text()) as api:
            assert api.application("shapes") is None
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not ray.folder.exists()


def test_a_head_that_is_killed_is_noticed(tmp_path: Path) -> None:
    def check_for_ever(ray: LocalRay) -> None:
        while True:
            ray.check()

    with LocalRay(mounts=tmp_path) as ray:
        others = set(psutil.Process().children())
        ray.start()
        (head,) = set(psutil.Process().children()) - others
        os.kill(head.pid, signal.SIGKILL)
        with pytest.raises(Failure, match="ended by itself with exit code -9"):
            check_for_ever(ray)


def test_a_head_that_cannot_start_says_why(tmp_path: Path) -> None:
    with LocalRay(mounts=tmp_path) as ray:
        ray.dashboard_port = -1
        ray.start()
        with pytest.raises(Failure, match="Ray did not start: "):
            ray.wait()
