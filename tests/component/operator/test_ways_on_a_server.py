"""Forty seeded pairs of changes on a real API server: a resource's state does not depend on where it came from."""

import random
from typing import Any

import pytest
from tests.component.operator.player import FakeIngress, Player
from tests.component.operator.stepper import Faults, Stepper, stepped
from tests.component.operator.test_crashes import refer, state
from tests.component.operator.world import World
from tests.hybrid_operator.variants import variants

from hybrid_operator import kinds

pytestmark = pytest.mark.component

SEED = 5
PAIRS = 40


def seeded_walk(names: list[str]) -> list[str]:
    """A way through forty different ordered pairs."""
    source = random.Random(SEED)
    walk, seen = [source.choice(names)], set()
    while len(seen) < PAIRS:
        following = source.choice([name for name in names if name != walk[-1] and (walk[-1], name) not in seen])
        seen.add((walk[-1], following))
        walk.append(following)
    return walk


@pytest.mark.timeout(480)
@pytest.mark.full
def test_where_a_resource_came_from_leaves_no_trace(connection: Any, world: World, ingress: FakeIngress) -> None:
    refer(world)
    player = Player(world)
    specs = {name: spec for name, spec in variants().items() if name != "suspended"}
    walk = seeded_walk(list(specs))

    async def story(stepper: Stepper, faults: Faults) -> None:
        wanted: dict[str, str] = {}
        for number, name in enumerate(sorted(set(walk))):
            fresh = f"fresh-{number}"
            await come_to(stepper, fresh, name)
            wanted[name] = state(world, fresh)
            world.delete(kinds.HYBRID_DIFFUSION, fresh)
        before = ""
        for name in walk:
            await come_to(stepper, "moving", name)
            assert state(world, "moving") == wanted[name], f"from `{before}` to `{name}`"
            before = name

    async def come_to(stepper: Stepper, resource: str, name: str) -> None:
        manifest = {**world.sample()[0], "metadata": {"name": resource}, "spec": specs[name]}
        world.put(manifest)
        await stepper.settle(resource, play=player.play)
        world.forget_garbage()

    stepped(connection, world, ingress, story)
