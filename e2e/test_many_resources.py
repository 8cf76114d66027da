"""Five hundred resources under one operator: at rest it costs next to nothing, and it notices a change at once.

`MANY_RESOURCES` and `MANY_SECONDS` make it smaller and shorter than the promise.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.component.operator.planes import a_world, install_kuberay, install_ours
from tests.component.operator.player import Player
from tests.component.operator.world import World

from e2e import many
from e2e.cluster import fake_nodes
from e2e.cluster.control_plane import control_plane

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

NUMBER = int(os.environ.get("MANY_RESOURCES", "500"))
SECONDS = float(os.environ.get("MANY_SECONDS", "600"))
CHANGED = 10


@dataclass(slots=True)
class Many:
    world: World
    folder: Path
    port: int
    operator: many.Process


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """All of them, Ready and at rest."""
    folder = tmp_path_factory.mktemp("many")
    with (
        control_plane(folder, with_controllers=True) as plane,
        fake_nodes.running(plane, nodes=4),
        many.services() as port,
    ):
        install_ours(plane)
        install_kuberay(plane)
        world = a_world(plane)
        found = Many(world, folder, port, many.Process(world, folder=folder, port=port))
        try:
            _bring_up(world)
            yield found
        finally:
            found.operator.stop()
            world.close()


def _bring_up(world: World) -> None:
    started = time.monotonic()
    with Player(world, at_once=many.AT_ONCE, has_nodes=True):
        many.make(world, number=NUMBER)
        many.wait_for_ready(world, number=NUMBER, seconds=900)
    print(f"\n{NUMBER} resources were Ready after {time.monotonic() - started:.0f} s.")
    many.wait_for_rest(world)


def test_at_rest_nothing_is_written_and_little_is_used(resources: Many) -> None:
    operator, written = resources.operator, many.writes(resources.world)
    cpu, most, end = operator.cpu_seconds(), 0.0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        most = max(most, operator.memory_mib())
        time.sleep(1)
    cores = (operator.cpu_seconds() - cpu) / SECONDS
    print(f"\n{SECONDS:.0f} s at rest: {cores:.3f} cores, {most:.0f} MiB at most.")
    assert many.writes(resources.world)[len(written) :] == []
    assert cores < 0.2
    assert most < 250


def test_a_change_of_one_is_reflected_within_two_seconds(resources: Many) -> None:
    times = [many.seconds_to_reflect(resources.world, f"hd-{each}", ttl="4m") for each in range(CHANGED)]
    print(f"\nA change is reflected after {max(times):.2f} s at most ({len(times)} changes).")
    assert max(times) < 2


def test_after_a_restart_everything_is_read_within_thirty_seconds(resources: Many) -> None:
    """A new process has read everything once it knows of a change of the resource that it lists last."""
    resources.operator.stop()
    before, started = many.writes(resources.world), time.monotonic()
    resources.operator = many.Process(resources.world, folder=resources.folder, port=resources.port)
    many.seconds_to_reflect(resources.world, f"hd-{NUMBER - 1}", ttl="3m")
    seconds = time.monotonic() - started
    many.wait_for_rest(resources.world)
    written = many.writes(resources.world)[len(before) :]
    print(f"\nA new process knew of a change after {seconds:.1f} s and wrote {len(written)} objects in all.")
    assert seconds < 30
    # Nobody plays KubeRay any more, so what was changed is still under way.
    changed = [*range(CHANGED), NUMBER - 1]
    others = [each for each in written if not any(re.search(rf"/hd-{number}\b", each) for number in changed)]
    assert [each for each in others if not each.endswith("/events")] == []
