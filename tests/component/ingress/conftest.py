"""One local Ray for the session, with the real ingress over fake denoisers behind its HTTP port."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hybrid_api import documents, serve_config
from hybrid_serving.cli import mounts
from hybrid_serving.cli.local import LocalRay
from hybrid_serving.cli.ray_environment import free_port

SAMPLE = Path(__file__).parents[3] / "e2e" / "samples" / "shapes.yaml"
APPLICATION = Path(__file__).parent / "application"
KEY = "demo-key"
PATH = "/api/serve/applications/"


class Running:
    """The service and Ray's own view of it."""

    def __init__(self, *, url: str, rest: httpx.Client, mounts: Path) -> None:
        self.url = url
        self.mounts = mounts
        self.headers = {"authorization": f"Bearer {KEY}"}
        self._rest = rest

    def application(self) -> dict[str, Any]:
        """The application as Serve's REST API shows it."""
        found: dict[str, Any] = self._rest.get(PATH).json()["applications"].get("shapes", {})
        return found

    def replicas(self, deployment: str) -> list[dict[str, Any]]:
        """Running replicas of a deployment."""
        found = self.application()["deployments"][deployment]["replicas"]
        return [each for each in found if each["state"] == "RUNNING"]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    loaded = documents.load_documents(SAMPLE.read_text())
    folder = tmp_path_factory.mktemp("mounts")
    mounts.write(folder, api_keys=loaded.api_keys(), signing=loaded.signing_keys())
    port = free_port()
    document = serve_config.render(loaded.resource, prices=loaded.prices(), port=port)
    _use_fakes(document["applications"][0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{APPLICATION}:{os.environ.get('PYTHONPATH', '')}")
        patch.setenv("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "hybrid_serving.cloud.ingress.proxy:middlewares")
        with LocalRay(mounts=folder) as ray:
            ray.start()
            ray.wait()
            token = {"Authorization": f"Bearer {ray.token_path.read_text()}"}
            with httpx.Client(base_url=ray.dashboard_url, headers=token, timeout=60.0, trust_env=False) as rest:
                service = Running(url=f"http://127.0.0.1:{port}", rest=rest, mounts=folder)
                until(lambda: rest.get(PATH).is_success, what="Ray's REST API")
                rest.put(PATH, json=document).raise_for_status()
                until(lambda: service.application().get("status") == "RUNNING", what="the application")
                yield service


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, headers=running.headers, timeout=60) as client:
        yield client


@pytest.fixture(name="until")
def _until() -> Callable[..., None]:
    return until


def until(condition: Callable[[], bool], *, what: str, seconds: float = 120.0) -> None:
    """Wait for a condition, and say what did not come about."""
    end = time.monotonic() + seconds
    while not _holds(condition):
        assert time.monotonic() < end, f"{what} did not come about in {seconds:.0f} s"
        time.sleep(0.1)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except httpx.HTTPError:
        return False


def _use_fakes(application: dict[str, Any]) -> None:
    application["import_path"] = "fake_service:build"
    del application["autoscaling_policy"]
    for deployment in application["deployments"]:
        if deployment["name"] != serve_config.INGRESS:
            deployment["autoscaling_config"].update(min_replicas=2, max_replicas=2)
