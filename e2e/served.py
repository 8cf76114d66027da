"""A served resource for the end-to-end tests and the benchmarks: `hybrid serve` as a child, and the eyes to watch it.

Everything goes through what a user has: the command line, the HTTP API and Ray's REST API. Nothing is imported from the
running service.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from openai import OpenAI

SAMPLE = Path(__file__).parent / "samples" / "shapes.yaml"
START_SECONDS = 300.0
END_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Replica:
    """One Serve replica, as Ray's REST API tells it."""

    deployment: str
    id: str
    actor_id: str | None
    pid: int | None
    state: str


class Served:
    """A running `hybrid serve`."""

    def __init__(self, *, url: str, name: str, state: Path, key: str) -> None:
        self.url = url
        self.name = name
        self.key = key
        self.state = state
        record = json.loads((state / "running.json").read_text())
        token_path = Path(record["token_path"])
        self.session = token_path.parent
        """Ray's own folder."""
        self._logs = self.session / "session_latest" / "logs" / "serve"
        headers = {"Authorization": f"Bearer {token_path.read_text()}"}
        self._clients: list[OpenAI] = []
        self._ray = httpx.Client(base_url=record["dashboard_url"], headers=headers, timeout=30.0, trust_env=False)

    def client(self, *, retries: int = 0, timeout_seconds: float = 120.0) -> OpenAI:
        """The official client; without retries every failure shows."""
        client = OpenAI(base_url=self.url, api_key=self.key, max_retries=retries, timeout=timeout_seconds)
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Close every connection that was opened here."""
        for client in self._clients:
            client.close()
        self._ray.close()

    def replicas(self, deployment: str) -> list[Replica]:
        """The replicas of one deployment, in every state."""
        application = self._ray.get("/api/serve/applications/").json()["applications"][self.name]
        return [
            # One that is starting has no actor and no process yet.
            Replica(deployment, found["replica_id"], found.get("actor_id"), found.get("pid"), found["state"])
            for found in application["deployments"][deployment]["replicas"]
        ]

    def running(self, deployment: str) -> list[Replica]:
        """The replicas that take requests."""
        return [replica for replica in self.replicas(deployment) if replica.state == "RUNNING"]

    def logs(self, deployment: str) -> str:
        """What all replicas of a deployment have logged, those that are gone included."""
        return "".join(path.read_text() for path in self._logs.glob(f"replica_{self.name}_{deployment}_*.log"))

    def apply(self, documents: list[dict[str, Any]]) -> None:
        """What a user does after editing the file: `hybrid serve -f` once more."""
        path = self.state / "changed.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        subprocess.run(
            [sys.executable, "-m", "hybrid_serving.cli", "serve", "-f", str(path), "--state", str(self.state)],
            check=True,
            timeout=START_SECONDS,
        )


def sample(change: Callable[[dict[str, Any]], None] | None = None) -> list[dict[str, Any]]:
    """The documents of the sample file; `change` edits the resource's spec."""
    documents = [document for document in yaml.safe_load_all(SAMPLE.read_text()) if document]
    if change:
        change(next(d for d in documents if d["kind"] == "HybridDiffusion")["spec"])
    return documents


@contextmanager
def serving(
    documents: list[dict[str, Any]],
    *,
    port: int,
    environment: Mapping[str, str] | None = None,
    state: Path | None = None,
) -> Iterator[Served]:
    """Serve `documents` on `port` until the block ends; `state` is a folder that shall outlive the server."""
    with tempfile.TemporaryDirectory(prefix="hybrid-e2e-") as folder:
        state = state or Path(folder)
        path = state / "resource.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        command = [sys.executable, "-m", "hybrid_serving.cli", "serve", "-f", str(path)]
        command += ["--port", str(port), "--state", str(state), "--json", "--timeout", str(START_SECONDS)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        try:
            announced = _announced(child)
            key = next(iter((state / "mounts" / "api-keys").iterdir())).read_text()
            with closing(Served(url=announced["url"], name=announced["name"], state=state, key=key)) as running:
                yield running
        finally:
            child.terminate()
            _wait(child)


def _wait(child: "subprocess.Popen[str]") -> None:
    """Until it has ended; one that does not is killed, and that is an error."""
    try:
        child.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()  # Ray hangs on a pipe of this process and goes with it
        child.wait()
        raise
    finally:
        assert child.stdout is not None
        child.stdout.close()


def _announced(child: "subprocess.Popen[str]") -> dict[str, Any]:
    assert child.stdout is not None
    for line in child.stdout:
        event = json.loads(line)
        if event.get("event") == "serving":
            return dict(event)
    raise RuntimeError(f"`hybrid serve` ended with code {child.wait()} before it served; its stderr says why.")


def eventually(holds: Callable[[], Any], *, seconds: float = 60.0, what: str | Callable[[], str]) -> Any:
    """Wait until `holds()` is true and return it; `what` is asked when it does not come about."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError(f"Waited {seconds:.0f} s in vain: {what if isinstance(what, str) else what()}.")
