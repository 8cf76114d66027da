"""What an API server does to its clients: conflicts, patience asked for, old versions gone, kinds that come and go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from tests.component.operator.planes import a_world, install, install_kuberay, install_ours, restartable_plane
from tests.component.operator.player import FakeIngress, Player
from tests.component.operator.stepper import Faults, Stepper, stepped
from tests.component.operator.test_crashes import create, refer
from tests.component.operator.world import World, until

from e2e import pod_monitors
from e2e.cluster.control_plane import control_plane
from hybrid_operator import kinds, resync
from hybrid_operator.feed import Feed
from hybrid_operator.transport import Answer

pytestmark = pytest.mark.component

_CONFLICT = Answer(status=409, body={"reason": "Conflict", "message": "the object has been modified", "details": {}})
_PATIENCE = Answer(status=429, body={"message": "too many requests"}, retry_after="1")
_BROKEN = Answer(status=500, body={"message": "etcdserver: request timed out"})


def seen_generation(world: World) -> int:
    return int((world.resource().get("status") or {}).get("observedGeneration", 0))


@pytest.mark.parametrize("answer", [_CONFLICT, _PATIENCE, _BROKEN], ids=["409", "429", "500"])
def test_refusals_that_pass_are_outlived(connection: Any, world: World, ingress: FakeIngress, answer: Answer) -> None:
    refer(world)
    player = Player(world)

    async def story(stepper: Stepper, faults: Faults) -> None:
        create(world, "patient")
        for _ in range(6):
            faults.answers.append(answer)
            await stepper.settle("patient", play=player.play)
        assert world.condition("Ready", name="patient") == ("True", "Serving")

    stepped(connection, world, ingress, story)


def test_what_the_watch_does_not_tell_is_found_by_comparing(
    world: World, player: Player, start_operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "_GRACE_SECONDS", 0.2)
    operator = start_operator(resync_seconds=1)
    world.apply_sample()
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    deaf: list[str] = []
    seen = Feed.seen

    def pass_over(self: Feed, kind: kinds.Kind, manifest: Any) -> None:
        if kind == kinds.HYBRID_DIFFUSION and len(deaf) < 1:
            deaf.append(manifest["metadata"]["resourceVersion"])
        else:
            seen(self, kind, manifest)

    monkeypatch.setattr(Feed, "seen", pass_over)
    world.change({"handoff": {"ttl": "4m"}})
    generation = world.resource()["metadata"]["generation"]
    until(lambda: world.resource()["status"]["observedGeneration"] == generation, what="the change found")
    assert deaf
    until(lambda: operator.why_unready() is None, what="ready again")


def test_an_api_server_that_restarts_is_waited_for(tmp_path: Path, start_operator: Any) -> None:
    """Its watches end, and what they were at is a version that the new process does not have: 410."""
    with restartable_plane(tmp_path) as (plane, restart):
        install_ours(plane)
        install_kuberay(plane)
        world = a_world(plane)
        operator = start_operator(world)
        world.apply_sample()
        until(world.revisions, what="a RayService")
        restart()
        for steps in (20, 15):
            world.change({"requests": {"defaults": {"steps": steps}, "limits": {"sizes": ["64x64"]}}})
        generation = world.resource()["metadata"]["generation"]
        until(lambda: seen_generation(world) == generation, what="the changes", seconds=90)
        world.change({"kubeRay": {"image": "example/serving:2"}})
        until(lambda: len(world.revisions()) == 1 and world.resource(), what="work going on")
        assert operator.error is None
        operator.stop()
        world.close()


def test_a_policy_that_answers_nothing_is_a_condition_while_it_does(
    world: World, player: Player, start_operator: Any
) -> None:
    start_operator()
    with policy_of(world, url="https://127.0.0.1:9/nobody-listens"):
        world.apply_sample()
        until(lambda: world.condition("Ready") == ("False", "WebhookFailed"), what="WebhookFailed")
        (message,) = (each["message"] for each in world.resource()["status"]["conditions"] if each["type"] == "Ready")
        assert "failed calling webhook" in message
    until(lambda: world.condition("Ready")[0] == "True", what="Ready", seconds=60)


@contextmanager
def policy_of(world: World, *, url: str) -> Iterator[None]:
    """The cluster asks `url` about every RayService of the world's namespace, and takes none without its answer."""
    name = f"policy-{world.namespace}"
    webhook = {
        "name": "policy.example.io",
        "clientConfig": {"url": url},
        "rules": [{"apiGroups": ["ray.io"], "apiVersions": ["*"], "operations": ["*"], "resources": ["rayservices"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    with world.plane.client() as connection:
        policies = client.AdmissionregistrationV1Api(connection)
        policies.create_validating_webhook_configuration({"metadata": {"name": name}, "webhooks": [webhook]})
        try:
            yield
        finally:
            policies.delete_validating_webhook_configuration(name)


def test_kinds_that_are_missing_are_a_condition_and_taken_up_when_they_come(
    tmp_path: Path, start_operator: Any
) -> None:
    with control_plane(tmp_path) as plane:
        install_ours(plane)
        world = a_world(plane)
        operator = start_operator(world)
        world.apply_sample()
        until(lambda: world.condition("Ready") == ("False", "KindMissing"), what="KindMissing")
        install_kuberay(plane)
        until(world.revisions, what="a RayService", seconds=60)
        until(
            lambda: world.condition("Stalled") == ("False", "PodMonitorMissing"), what="PodMonitorMissing", seconds=60
        )
        install(plane, pod_monitors.definition())
        (monitor,) = until(lambda: world.all(kinds.POD_MONITOR), what="a PodMonitor", seconds=60)
        until(lambda: world.condition("Stalled") == ("False", "Progressing"), what="nothing lacking", seconds=60)
        name, uid = monitor["metadata"]["name"], monitor["metadata"]["uid"]
        world.delete(kinds.POD_MONITOR, name)
        until(
            lambda: (found := world.find(kinds.POD_MONITOR, name)) and found["metadata"]["uid"] != uid,
            what="another PodMonitor",
        )
        assert operator.error is None
        operator.stop()
        world.close()
