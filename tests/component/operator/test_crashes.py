"""A crash, or a lost reply, after every write of a create, an update and a delete: the same end, and nothing more.

Nothing is latched between two writes, so wherever a process ends the next one goes on from what exists.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.component.operator.player import FakeIngress, Player
from tests.component.operator.stepper import Crash, Faults, Stepper, lose_the_reply, stepped
from tests.component.operator.world import Manifest, World, until

from hybrid_operator import kinds

pytestmark = pytest.mark.component

_KINDS = (kinds.HYBRID_DIFFUSION, kinds.SECRET, *kinds.CHILDREN)
_MOVING = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "observedGeneration")
_DRAWN = ("clusterIP", "clusterIPs", "nodePort", "revision")
_NAMED_BY_CHANCE = ("Time", "controller-uid")
_IMAGES = ("example/serving:1", "example/serving:2")


def crash() -> None:
    raise Crash


FAULTS = pytest.mark.parametrize(
    "strike",
    [pytest.param(crash, id="crash"), pytest.param(lose_the_reply, marks=pytest.mark.full, id="lost reply")],
)


def state(world: World, name: str) -> str:
    """Everything that belongs to the resource, without what differs between any two resources."""
    found = [each for kind in _KINDS for each in _belonging(world, kind, name)]
    text = json.dumps([_still(each) for each in found], sort_keys=True, indent=1)
    serving = world.resource(name)["status"]["revisions"]["serving"]
    return text.replace(name, "NAME").replace(serving, "SERVING")


def _belonging(world: World, kind: kinds.Kind, name: str) -> list[Manifest]:
    objects = (
        world.all(kind) if kind == kinds.HYBRID_DIFFUSION else world.all(kind, **{"hybriddiffusion.io/name": name})
    )
    mine = [each for each in objects if each["metadata"]["name"].startswith(name)]
    if kind == kinds.POD:  # admission adds volumes with names of chance, and Jobs name their pods so
        mine = [{"metadata": each["metadata"]} for each in mine if "generateName" not in each["metadata"]]
    return sorted(mine, key=lambda each: each["metadata"]["name"])


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in _MOVING and not key.endswith(_NAMED_BY_CHANCE)}
        if kept.get("kind") == "Secret" or ("data" in kept and "type" in kept):
            kept["data"] = sorted(kept["data"])
        return {key: _still(inner) for key, inner in kept.items() if key not in _DRAWN}
    return [_still(each) for each in value] if isinstance(value, list) else value


def create(world: World, name: str) -> None:
    documents = world.sample()
    resource = documents[0]
    resource["metadata"]["name"] = name
    resource["spec"]["rollout"] = {"drainTime": "0s"}
    world.create(resource)


def refer(world: World) -> None:
    for document in world.sample()[1:]:
        world.create(document)


@FAULTS
def test_a_create_survives_it(connection, world: World, ingress: FakeIngress, strike: Callable[[], None]) -> None:
    refer(world)
    player = Player(world)

    async def story(stepper: Stepper, faults: Faults) -> None:
        create(world, "clean")
        await stepper.settle("clean", play=player.play)
        wanted, writes = state(world, "clean"), len(faults.writes)
        assert writes > 8
        for at in range(1, writes + 1):
            name = f"at-{at}"
            create(world, name)
            faults.at, faults.strike = len(faults.writes) + at, strike
            await stepper.settle(name, play=player.play)
            assert world.condition("Ready", name=name) == ("True", "Serving")
            assert state(world, name) == wanted, f"struck at {faults.writes[faults.at - 1]}"
            world.delete(kinds.HYBRID_DIFFUSION, name)  # else every look would be at all of them

    stepped(connection, world, ingress, story)


@FAULTS
def test_an_update_survives_it(connection, world: World, ingress: FakeIngress, strike: Callable[[], None]) -> None:
    refer(world)
    player = Player(world)

    async def story(stepper: Stepper, faults: Faults) -> None:
        async def roll(image: str) -> str:
            world.change({"kubeRay": {"image": image}}, name="rolled")
            await stepper.settle("rolled", play=player.play)
            world.forget_garbage()
            return state(world, "rolled")

        create(world, "rolled")
        await stepper.settle("rolled", play=player.play)
        await roll(_IMAGES[1])
        before = len(faults.writes)
        ends = {_IMAGES[0]: await roll(_IMAGES[0])}
        writes = len(faults.writes) - before
        ends[_IMAGES[1]] = await roll(_IMAGES[1])
        assert writes > 6
        for at in range(1, writes + 1):
            image = _IMAGES[(at + 1) % 2]
            faults.at, faults.strike = len(faults.writes) + at, strike
            assert await roll(image) == ends[image], f"struck at {faults.writes[faults.at - 1]}"

    stepped(connection, world, ingress, story)


def test_a_delete_needs_no_operator(connection, world: World, ingress: FakeIngress) -> None:
    """No write belongs to it: the garbage collector follows the owner references, whoever is away."""
    refer(world)
    player = Player(world)

    async def story(stepper: Stepper, faults: Faults) -> None:
        create(world, "gone")
        await stepper.settle("gone", play=player.play)
        world.delete(kinds.HYBRID_DIFFUSION, "gone")
        before = len(faults.writes)
        await stepper.step("gone")
        assert len(faults.writes) == before

    stepped(connection, world, ingress, story)
    until(lambda: not any(_belonging(world, kind, "gone") for kind in _KINDS), what="everything gone", seconds=90)


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_resource_deleted_on_its_way_leaves_nothing(
    connection, world: World, ingress: FakeIngress, steps: int
) -> None:
    refer(world)
    player = Player(world)

    async def story(stepper: Stepper, faults: Faults) -> None:
        create(world, "gone")
        for _ in range(steps):
            await stepper.step("gone")
            player.play()
        world.delete(kinds.HYBRID_DIFFUSION, "gone")
        await stepper.step("gone")

    stepped(connection, world, ingress, story)
    until(lambda: not any(_belonging(world, kind, "gone") for kind in _KINDS), what="everything gone", seconds=90)
