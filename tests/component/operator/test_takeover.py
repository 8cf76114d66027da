"""Two operators as processes, as a Deployment has them: who leads is killed, told to stop, or frozen."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.component.operator.world import World, until

from hybrid_operator import kinds

pytestmark = pytest.mark.component

RESOURCES = 20
FROZEN_SECONDS = float(os.environ.get("FROZEN_SECONDS", "0"))
"""How long a leader is frozen at least; it is until another leads and has seen everything."""


class Process:
    """`python -m hybrid_operator` with rights of its own, so that the audit log tells who did what."""

    def __init__(self, world: World, *, name: str, folder: Path) -> None:
        self.name = name
        self._world = world
        kubeconfig = folder / f"{name}.kubeconfig"
        kubeconfig.write_text(json.dumps(self._kubeconfig()))
        environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "HYBRID_OPERATOR_NAMESPACE": world.namespace,
            "HYBRID_WATCH_NAMESPACES": world.namespace,
            "HYBRID_IDENTITY": name,
            "HYBRID_SERVING_IMAGE": "example/serving:1",
            "HYBRID_HEALTH_PORT": "0",
            "HYBRID_METRICS_PORT": "0",
        }
        self._log = (folder / f"{name}.log").open("w+")
        command = [sys.executable, "-m", "hybrid_operator"]
        self._process = subprocess.Popen(command, env=environment, stderr=self._log)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        self._process.wait(timeout=10)
        self._log.close()

    def writes_since(self, moment: float) -> list[str]:
        """What it asked to have written, by the API server's own account; seconds since 1970."""
        found = []
        for line in self._world.plane.audit_log.read_text().splitlines():
            entry = json.loads(line)
            is_mine = entry["user"]["username"].endswith(f":{self.name}")
            is_later = _seconds(entry["requestReceivedTimestamp"]) >= moment
            if is_mine and is_later and entry["verb"] not in ("get", "list", "watch"):
                found.append(f"{entry['verb']} {entry['requestURI']}")
        return found

    def _kubeconfig(self) -> dict[str, Any]:
        world = self._world
        world.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": self.name}})
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": world.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {"metadata": {"name": f"{world.namespace}-{self.name}"}, "roleRef": role, "subjects": [subject]}
        world.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", json=binding)
        path = f"/api/v1/namespaces/{world.namespace}/serviceaccounts/{self.name}/token"
        token = world.request("POST", path, json={"spec": {"expirationSeconds": 3600}})["status"]["token"]
        config = world.plane.kubeconfig()
        config["users"][0]["user"] = {"token": token}
        return config


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


@pytest.fixture
def pair(world: World, tmp_path: Path) -> Iterator[dict[str, Process]]:
    """Two processes over twenty resources, the first of which leads."""
    documents = world.sample()
    for document in documents[1:]:
        world.create(document)
    for number in range(RESOURCES):
        documents[0]["metadata"] = {"name": f"hd-{number}"}
        world.create(documents[0])
    processes = {"one": Process(world, name="one", folder=tmp_path)}
    until(lambda: holder(world) == "one", what="a leader")
    processes["two"] = Process(world, name="two", folder=tmp_path)
    until(lambda: is_seen(world, generation=1), what="all resources seen", seconds=60)
    yield processes
    for process in processes.values():
        process.stop()


def holder(world: World) -> str:
    lease = world.find(kinds.LEASE, "hybrid-diffusion-operator")
    return str(lease["spec"]["holderIdentity"]) if lease else ""


def is_seen(world: World, *, generation: int, any_: bool = False) -> bool:
    found = [(each.get("status") or {}).get("observedGeneration", 0) for each in world.all(kinds.HYBRID_DIFFUSION)]
    return (any if any_ else all)(each >= generation for each in found)


def touch_all(world: World) -> None:
    for number in range(RESOURCES):
        world.change({"handoff": {"ttl": "4m"}}, name=f"hd-{number}")


def test_after_a_kill_the_other_takes_over(world: World, pair: dict[str, Process]) -> None:
    pair["one"].signal(signal.SIGKILL)
    started = time.monotonic()
    touch_all(world)
    until(lambda: is_seen(world, generation=2, any_=True), what="the first reconcile", seconds=60)
    sys.stdout.write(f"\nFirst reconcile {time.monotonic() - started:.1f} s after a kill.\n")
    until(lambda: is_seen(world, generation=2), what="all resources seen", seconds=30)


def test_after_a_polite_stop_the_other_takes_over_at_once(world: World, pair: dict[str, Process]) -> None:
    pair["one"].signal(signal.SIGTERM)
    started = time.monotonic()
    touch_all(world)
    until(lambda: is_seen(world, generation=2, any_=True), what="the first reconcile", seconds=60)
    sys.stdout.write(f"\nFirst reconcile {time.monotonic() - started:.1f} s after a polite stop.\n")
    assert until(lambda: pair["one"].ended() is not None, what="the end of the first") is True
    assert pair["one"].ended() == 0


@pytest.mark.timeout(240)
@pytest.mark.full
def test_a_leader_that_was_frozen_writes_nothing_when_it_goes_on(world: World, pair: dict[str, Process]) -> None:
    touch_all(world)  # in the middle of work
    pair["one"].signal(signal.SIGSTOP)
    frozen = time.monotonic()
    until(lambda: holder(world) == "two", what="the takeover", seconds=40)
    until(lambda: is_seen(world, generation=2), what="all resources seen", seconds=40)
    while time.monotonic() - frozen < FROZEN_SECONDS:
        time.sleep(0.5)
    thawed = time.time()
    pair["one"].signal(signal.SIGCONT)
    until(lambda: pair["one"].ended() is not None, what="the end of the first", seconds=20)
    assert pair["one"].ended() == 1
    assert pair["one"].writes_since(thawed) == []
    assert holder(world) == "two"
