"""Signing keys that the operator made: changed when asked to, once for each wish."""

import base64
from typing import Any

import pytest
from tests.component.operator.player import Player
from tests.component.operator.world import NAME, World, until

from hybrid_operator import kinds

pytestmark = pytest.mark.component

WISH = "hybriddiffusion.io/rotate-signing-key"


def keys(world: World) -> dict[str, bytes]:
    data = world.get(kinds.SECRET, f"{NAME}-signing")["data"]
    return {name: base64.b64decode(base64.b64decode(value)) for name, value in data.items()}


def wish(world: World, value: str) -> None:
    world.patch(kinds.HYBRID_DIFFUSION, NAME, {"metadata": {"annotations": {WISH: value}}})


@pytest.fixture
def made(world: World, player: Player, operator: Any) -> dict[str, bytes]:
    """The first key."""
    world.apply_sample(handoff={})
    until(lambda: world.find(kinds.SECRET, f"{NAME}-signing"), what="the Secret")
    return keys(world)


def test_each_wish_makes_one_key_and_the_one_before_goes_on_verifying(world: World, made: dict[str, bytes]) -> None:
    assert list(made) == ["key-000001"]
    wish(world, "monday")
    until(lambda: len(keys(world)) == 2, what="the second key")
    second = keys(world)
    assert second.items() > made.items()
    assert {len(seed) for seed in second.values()} == {32}
    wish(world, "tuesday")
    until(lambda: "key-000003" in keys(world), what="the third key")
    assert sorted(keys(world)) == ["key-000002", "key-000003"]
    assert keys(world)["key-000002"] == second["key-000002"]


def test_a_wish_is_granted_once(world: World, made: dict[str, bytes]) -> None:
    wish(world, "monday")
    until(lambda: len(keys(world)) == 2, what="the second key")
    version = world.get(kinds.SECRET, f"{NAME}-signing")["metadata"]["resourceVersion"]
    world.change({"handoff": {"ttl": "4m"}})
    generation = world.resource()["metadata"]["generation"]
    until(lambda: world.resource()["status"]["observedGeneration"] == generation, what="another look")
    assert world.get(kinds.SECRET, f"{NAME}-signing")["metadata"]["resourceVersion"] == version


def test_a_secret_that_is_deleted_is_made_anew_with_one_key(world: World, made: dict[str, bytes]) -> None:
    wish(world, "monday")
    until(lambda: len(keys(world)) == 2, what="the second key")
    world.delete(kinds.SECRET, f"{NAME}-signing")
    world.change({"handoff": {"ttl": "4m"}})
    until(lambda: world.find(kinds.SECRET, f"{NAME}-signing"), what="the Secret")
    assert list(keys(world)) == ["key-000001"]
    assert keys(world) != made
