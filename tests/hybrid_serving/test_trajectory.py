"""The law: wherever the split falls, with the same network the finished latent is the same, bit for bit."""

import base64
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hybrid_serving import handoff, sampler, trajectory
from hybrid_serving.protocol import Settings, State

SCRIPT = Path(__file__).with_name("elsewhere.py")
_spec = importlib.util.spec_from_file_location("elsewhere", SCRIPT)
elsewhere = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(elsewhere)

STEPS = 25
SHAPE = (4, 8, 8)
SCHEDULE = sampler.Schedule(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction="v_prediction"
)
RING = handoff.KeyRing.from_texts({"test": base64.b64encode(bytes(range(32))).decode()})
BOUNDARIES = [(name, k) for name in sampler.SAMPLERS for k in range(STEPS + 1)]


def some_settings(name: str, **changes: object) -> Settings:
    settings = Settings(
        prompt="a red circle above a blue square",
        negative_prompt="",
        seed=2**64 - 59,
        image=3,
        sampler=name,
        steps=STEPS,
        guidance_scale=5.0,
        width=64,
        height=64,
    )
    return replace(settings, **changes)


def a_table(settings: Settings) -> sampler.Table:
    return sampler.compile_table(SCHEDULE, sampler=settings.sampler, steps=settings.steps)


def run(settings: Settings, *, stop: int = STEPS, state: State | None = None) -> State:
    table = a_table(settings)
    start = state or trajectory.begin(settings, table=table, latent_shape=SHAPE)
    return trajectory.run(start, table=table, stop=stop, settings=settings, denoise=elsewhere.network)


def pack(state: State, settings: Settings) -> bytes:
    parcel = handoff.Handoff(
        request="request-0",
        model="shapes",
        networks={"large": "1f", "small": "2e"},
        table=a_table(settings).rest(state.position),
        state=state,
        settings=settings,
        conditioning={},
        issued_at=elsewhere.NOW,
        expires_at=elsewhere.NOW + timedelta(minutes=5),
    )
    return handoff.pack(parcel, key=RING.signing)


@pytest.fixture(scope="module")
def finished_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], bytes]:
    """The latents that one other process finished from the bytes of every boundary of every sampler."""
    folder = tmp_path_factory.mktemp("handoffs")
    (folder / "keys.json").write_text(json.dumps(RING.public.to_texts()))
    for name, k in BOUNDARIES:
        settings = some_settings(name)
        (folder / f"{name}-{k}.handoff").write_bytes(pack(run(settings, stop=k), settings))
    subprocess.run([sys.executable, SCRIPT, folder], check=True, timeout=120)
    return {(name, k): (folder / f"{name}-{k}.latent").read_bytes() for name, k in BOUNDARIES}


@pytest.mark.parametrize(("name", "k"), BOUNDARIES)
def test_a_split_image_finished_in_another_process_equals_the_whole_one(
    name: str, k: int, finished_elsewhere: dict[tuple[str, int], bytes]
) -> None:
    assert finished_elsewhere[name, k] == run(some_settings(name)).x.tobytes()


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_a_trajectory_may_stop_at_every_step(name: str) -> None:
    settings = some_settings(name)
    state = run(settings, stop=0)
    for k in range(1, STEPS + 1):
        state = run(settings, stop=k, state=state)
    assert state.x.tobytes() == run(settings).x.tobytes()


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_only_multistep_samplers_change_without_their_history_and_only_where_they_use_it(name: str) -> None:
    settings = some_settings(name)
    whole = run(settings).x.tobytes()
    changes = []
    for k in range(STEPS + 1):
        state = run(settings, stop=k)
        forgetful = replace(state, history=tuple(np.zeros_like(past) for past in state.history))
        changes.append(run(settings, state=forgetful).x.tobytes() != whole)
    # DPM-Solver++ ends with a step of first order; UniPC's corrector looks back even there, but its result is x0 alone.
    last = {"dpmpp-2m": STEPS - 2, "unipc-2": STEPS - 2}.get(name, 0)
    assert changes == [1 <= k <= last for k in range(STEPS + 1)]


@pytest.mark.parametrize("change", [{"seed": 1}, {"image": 4}])
@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_only_stochastic_samplers_change_with_another_noise_key_until_the_last_step(
    name: str, change: dict[str, int]
) -> None:
    settings = some_settings(name)
    whole = run(settings).x.tobytes()
    other = replace(settings, **change)
    changes = [run(other, state=run(settings, stop=k)).x.tobytes() != whole for k in range(STEPS + 1)]
    assert changes == [name in {"euler-a", "lcm"} and k <= STEPS - 2 for k in range(STEPS + 1)]


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_another_seed_is_another_image(name: str) -> None:
    assert run(some_settings(name)).x.tobytes() != run(some_settings(name, seed=1)).x.tobytes()


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_the_start_is_the_noise_of_step_zero_at_the_first_level(name: str) -> None:
    start = run(some_settings(name), stop=0)
    assert start.position == 0
    assert start.history == ()
    assert start.x.dtype == np.float32
    assert start.x.std() == pytest.approx(a_table(some_settings(name)).initial, rel=0.1)


def test_the_walk_shows_every_estimate() -> None:
    settings = some_settings("dpmpp-2m")
    table = a_table(settings)
    start = trajectory.begin(settings, table=table, latent_shape=SHAPE)
    walk = list(trajectory.walk(start, table=table, stop=STEPS, settings=settings, denoise=elsewhere.network))
    assert [step.state.position for step in walk] == list(range(1, STEPS + 1))
    assert all(step.state.history[0] is step.x0 for step in walk)
    assert walk[-1].x0.tobytes() == walk[-1].state.x.tobytes()


def test_a_network_with_embedded_guidance_answers_one_row() -> None:
    settings = some_settings("lcm")
    start = trajectory.begin(settings, table=a_table(settings), latent_shape=SHAPE)
    one = trajectory.run(
        start,
        table=a_table(settings),
        stop=STEPS,
        settings=settings,
        denoise=lambda x, level: elsewhere.network(x, level)[:1],
    )
    unguided = replace(settings, guidance_scale=1.0)
    assert one.x.tobytes() == run(unguided).x.tobytes()


images = st.builds(
    some_settings,
    st.sampled_from(sampler.SAMPLERS),
    seed=st.integers(0, 2**64 - 1),
    image=st.integers(0, 3),
    steps=st.integers(1, 8),
    guidance_scale=st.sampled_from([1.0, 5.0, 7.5]),
)


@given(st.lists(images, min_size=1, max_size=5), st.data())
@hypothesis_settings(max_examples=40)
def test_an_image_is_the_same_alone_and_among_others_that_come_and_go(
    batch: list[Settings], data: st.DataObject
) -> None:
    tables = [a_table(settings) for settings in batch]
    states = [
        trajectory.begin(settings, table=table, latent_shape=SHAPE)
        for settings, table in zip(batch, tables, strict=True)
    ]
    while running := [i for i, state in enumerate(states) if state.position < batch[i].steps]:
        turn = data.draw(st.lists(st.sampled_from(running), min_size=1, unique=True))
        outputs = np.stack([guided(states[i], batch[i], tables[i]) for i in turn])
        steps = trajectory.advance(
            [states[i] for i in turn],
            outputs,
            tables=[tables[i] for i in turn],
            settings=[batch[i] for i in turn],
        )
        for i, step in zip(turn, steps, strict=True):
            states[i] = step.state
    alone = [run(settings, stop=settings.steps).x.tobytes() for settings in batch]
    assert [state.x.tobytes() for state in states] == alone


def guided(state: State, settings: Settings, table: sampler.Table) -> np.ndarray:
    return sampler.guide(*elsewhere.network(state.x, table.at(state.position).level), settings.guidance_scale)
