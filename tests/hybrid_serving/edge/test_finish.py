"""The device's half of a trajectory equals the cloud's, to the last bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hybrid_engines import models
from hybrid_engines.spec import EngineError
from hybrid_serving import handoff as handoffs
from hybrid_serving import pixels, sampler, trajectory
from hybrid_serving.edge import finish
from hybrid_serving.keys import KeyRing


def whole(fakes: Any, settings: Any) -> pixels.Pixels:
    """The picture without any split."""
    schedule = sampler.Schedule.from_config(models.open_model("builtin://shapes/small").schedule)
    table = sampler.compile_table(schedule, sampler=settings.sampler, steps=settings.steps)
    state = trajectory.begin(settings, table=table, latent_shape=fakes.latent)
    with finish.Network(fakes.unet(), fakes.conditioning()) as network:
        state = trajectory.run(state, table=table, stop=settings.steps, settings=settings, denoise=network)
    return finish.decode(state.x, decoder=fakes.decoder())


@pytest.mark.parametrize("name", sampler.SAMPLERS)
@pytest.mark.parametrize("split", [0, 1, 3, 5, 6])
def test_wherever_it_was_split_the_picture_is_the_same(fakes: Any, ring: KeyRing, name: str, split: int) -> None:
    settings = replace(fakes.settings, sampler=name)
    data = handoffs.pack(fakes.handoff(split=split, settings=settings), key=ring.signing)
    received = handoffs.unpack(data, keys=ring.public, now=fakes.now)
    finished = fakes.device().finish(received, segment="small")
    assert finished.steps == settings.steps - split
    assert np.array_equal(finished.pixels, whole(fakes, settings))


def test_an_engine_without_room_for_both_rows_is_called_twice(fakes: Any) -> None:
    unet = fakes.unet(buckets=(1,))
    narrow = fakes.device(unet).finish(fakes.handoff(), segment="small")
    wide = fakes.device().finish(fakes.handoff(), segment="small")
    assert unet.calls == 2 * wide.steps
    assert np.array_equal(narrow.pixels, wide.pixels)


def test_every_step_is_told(fakes: Any) -> None:
    positions: list[int] = []
    fakes.device().finish(
        fakes.handoff(split=2), segment="small", on_step=lambda state: positions.append(state.position)
    )
    assert positions == [3, 4, 5, 6]


def test_conditioning_is_dropped_even_after_a_failure(fakes: Any) -> None:
    def fail() -> None:
        raise EngineError("The engine broke.")

    unet = fakes.unet(before=fail)
    with pytest.raises(EngineError):
        fakes.device(unet).finish(fakes.handoff(), segment="small")
    assert unet.held == set()
