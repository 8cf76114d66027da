import numpy as np
import pytest

from hybrid_serving import sampler
from hybrid_serving.cloud.latents import HISTORY, Latents
from hybrid_serving.protocol import State

SCHEDULE = sampler.Schedule(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
SHAPE = (4, 3, 3)


def test_no_sampler_remembers_more_than_there_is_room_for() -> None:
    tables = [sampler.compile_table(SCHEDULE, sampler=name, steps=9) for name in sampler.SAMPLERS]
    assert max(table.history_length for table in tables) == HISTORY


def test_a_state_comes_out_as_it_went_in() -> None:
    latents = Latents(SHAPE, capacity=3)
    x, past = np.ones(SHAPE, dtype=np.float32), np.full(SHAPE, 2.0, dtype=np.float32)
    latents.put(1, State(3, x, (past,)))
    state = latents.state(1, position=3, history_length=1)
    np.testing.assert_array_equal(state.x, x)
    np.testing.assert_array_equal(state.history, (past,))


def test_a_slot_forgets_what_its_last_image_remembered() -> None:
    latents = Latents(SHAPE, capacity=1)
    x = np.ones(SHAPE, dtype=np.float32)
    latents.put(0, State(3, x, (x,)))
    latents.put(0, State(0, x))
    assert latents.state(0, position=0, history_length=1).history == ()


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_a_batch_of_slots_steps_like_one_image_at_a_time(name) -> None:
    rng = np.random.default_rng(3)
    table = sampler.compile_table(SCHEDULE, sampler=name, steps=6)
    latents = Latents(SHAPE, capacity=8)
    alone = {slot: State(0, rng.standard_normal(SHAPE).astype(np.float32)) for slot in (6, 0, 3)}
    for slot, state in alone.items():
        latents.put(slot, state)
    slots = np.array(list(alone))
    for position in range(6):
        entry = table.at(position)
        output = rng.standard_normal((3, *SHAPE)).astype(np.float32)
        noise = rng.standard_normal((3, *SHAPE)).astype(np.float32)
        latents.advance(slots, latents.gather(slots), output, entries=[entry] * 3, noise=list(noise))
        for row, slot in enumerate(slots):
            state = alone[slot]
            x, x0 = sampler.step(state.x, output[row], entry=entry, history=state.history, noise=noise[row])
            alone[slot] = State(position + 1, x, (x0, *state.history)[: table.history_length])
            found = latents.state(slot, position=position + 1, history_length=table.history_length)
            np.testing.assert_array_equal(found.x, x)
            np.testing.assert_array_equal(found.history, alone[slot].history)
            np.testing.assert_array_equal(latents.estimate(slot), x0)
