"""A real Prometheus beside a served resource, with the shipped rules and the shipped scrape configuration.

Only the addresses and the intervals are other ones; what is done to names and labels is what users get.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from hybrid_monitoring import rule_files, scrape
from hybrid_serving.cli.ray_environment import free_port

PROGRAM = "prometheus"
INTERVAL = "1s"


def is_installed() -> bool:
    """Whether there is a Prometheus on the path."""
    return shutil.which(PROGRAM) is not None


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series with their values of now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30.0, trust_env=False)
        assert answer.is_success, f"{expression}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def get(self, path: str) -> Any:
        """What its API tells."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", timeout=30.0, trust_env=False)
        return answer.raise_for_status().json()["data"]


def configuration(*, nodes: Path, operators: Sequence[str]) -> dict[str, Any]:
    """The shipped one with these addresses, and fast."""
    found = scrape.configuration()
    workers, operator = found["scrape_configs"]
    workers["file_sd_configs"] = [{"files": [str(nodes)], "refresh_interval": INTERVAL}]
    operator["static_configs"] = [{"targets": list(operators)}]
    return {**found, "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}}


@contextmanager
def running(*, nodes: Path, operators: Sequence[str] = ()) -> Iterator[Prometheus]:
    """A Prometheus that scrapes Ray's nodes in the list `nodes`, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="hybrid-prometheus-") as name:
        folder, port = Path(name), free_port()
        (folder / "rules.yaml").write_text(rule_files.dump(rule_files.rules()))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(nodes=nodes, operators=operators)))
        options = {
            "config.file": "prometheus.yaml",
            "storage.tsdb.path": "data",
            "web.listen-address": f"127.0.0.1:{port}",
        }
        child = subprocess.Popen(
            [PROGRAM, *(f"--{key}={value}" for key, value in options.items()), "--log.level=error"],
            cwd=folder,
            start_new_session=True,
        )
        try:
            found = Prometheus(f"http://127.0.0.1:{port}")
            _wait_until_ready(found.url, child)
            yield found
        finally:
            child.terminate()
            child.wait(30)


def nodes_of(session: Path) -> Path:
    """The list of nodes that a Ray keeps in its folder."""
    path = session / "prom_metrics_service_discovery.json"
    assert json.loads(path.read_text()), "Ray lists no node"
    return path


def labels(series: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels of a series."""
    found: Mapping[str, str] = series["metric"]
    return found


def _wait_until_ready(url: str, child: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        assert child.poll() is None, "Prometheus ended by itself"
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("Prometheus was not ready after a minute.")
