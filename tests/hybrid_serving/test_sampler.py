"""Tables are those of the diffusers schedulers; a step has the same bits alone and in any batch."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_lcm
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybrid_serving import noise, sampler
from hybrid_serving.schedule import Schedule, ScheduleUnsupportedError

# diffusers hands tensors to numpy in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

CONFIG = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
}
DIFFUSERS = {
    "dpmpp-2m": DPMSolverMultistepScheduler,
    "unipc-2": UniPCMultistepScheduler,
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": scheduling_euler_ancestral_discrete.EulerAncestralDiscreteScheduler,
    "lcm": scheduling_lcm.LCMScheduler,
}
STEPS = (1, 2, 4, 8, 25, 50)
SHAPE = (4, 8, 8)
LATENT = (2, 3, 3)
Network = Callable[[np.ndarray, float], np.ndarray]


def a_schedule(**changes: object) -> Schedule:
    return Schedule.from_config(CONFIG | changes)


def a_table(name: str = "dpmpp-2m", *, steps: int = 25, **changes: object) -> sampler.Table:
    return sampler.compile_table(a_schedule(**changes), sampler=name, steps=steps)


# The ways of being wrong.


def test_an_unknown_sampler_lists_the_alternatives() -> None:
    with pytest.raises(sampler.UnknownSamplerError, match="`plms` is unknown; choose one of `dpmpp-2m`, `unipc-2`"):
        a_table("plms")


@pytest.mark.parametrize("steps", [-1, 0, 1001, 10**9])
@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_a_number_of_steps_that_the_schedule_does_not_have_is_refused(name: str, steps: int) -> None:
    with pytest.raises(sampler.StepsUnsupportedError, match=f"`steps` is {steps}"):
        a_table(name, steps=steps)


def test_a_consistency_model_takes_no_more_steps_than_it_was_distilled_on() -> None:
    with pytest.raises(sampler.StepsUnsupportedError, match="`steps` is 51; a consistency model distilled on 50"):
        a_table("lcm", steps=51)


@pytest.mark.parametrize("name", ["dpmpp-2m", "unipc-2", "ddim"])
def test_leading_steps_beyond_the_last_training_step_are_refused(name: str) -> None:
    with pytest.raises(sampler.StepsUnsupportedError, match="Ask for fewer steps"):
        a_table(name, steps=1000, timestep_spacing="leading", steps_offset=1)


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_epsilon_with_zero_terminal_snr_is_refused(name: str) -> None:
    with pytest.raises(sampler.EpsilonAtZeroSnrError, match="`v_prediction`"):
        a_table(name, rescale_betas_zero_snr=True, prediction_type="epsilon")


def test_every_refusal_is_a_sampler_error() -> None:
    kinds = (sampler.UnknownSamplerError, sampler.StepsUnsupportedError, sampler.EpsilonAtZeroSnrError)
    assert all(issubclass(kind, sampler.SamplerError) for kind in (*kinds, ScheduleUnsupportedError))


def test_a_step_without_the_history_that_it_needs_is_refused() -> None:
    x = np.zeros(LATENT, np.float32)
    with pytest.raises(sampler.HistoryMissingError, match="pass the whole state"):
        sampler.step(x, x, entry=a_table().at(5))


def test_a_step_without_the_noise_that_it_needs_is_refused() -> None:
    x = np.zeros(LATENT, np.float32)
    with pytest.raises(sampler.HistoryMissingError, match="and the noise"):
        sampler.step(x, x, entry=a_table("lcm", steps=4).at(0))


def test_a_position_outside_the_table_is_refused() -> None:
    with pytest.raises(IndexError, match="Position 9 is outside this table"):
        a_table().rest(10).at(9)


# Against diffusers.


def settings() -> Iterator[object]:
    spacings = ("linspace", "leading", "trailing")
    for name, spacing, prediction in itertools.product(DIFFUSERS, spacings, ("epsilon", "v_prediction", "zero-snr")):
        if name != "lcm" or spacing == "leading":  # a consistency model has a grid of its own
            yield pytest.param(name, spacing, prediction, id=f"{name}-{spacing}-{prediction}")


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(("name", "spacing", "prediction"), list(settings()))
def test_a_trajectory_is_that_of_diffusers(
    name: str, spacing: str, prediction: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CONFIG | {
        "timestep_spacing": spacing,
        "steps_offset": 1 if spacing == "leading" else 0,
        "prediction_type": "epsilon" if prediction == "epsilon" else "v_prediction",
        "rescale_betas_zero_snr": prediction == "zero-snr",
    }
    theirs, ours = trajectories(name, steps, config, monkeypatch)
    error = max(np.abs(a - b).max() for a, b in zip(theirs, ours, strict=True))
    # diffusers' Euler starts at sigma = 4096 in float32, which costs it three digits that we do not lose.
    tolerance = 1e-3 if prediction == "zero-snr" and name.startswith("euler") else 1e-5
    assert error <= tolerance * max(np.abs(x).max() for x in theirs)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", ["ddim", "lcm"])
def test_the_last_step_may_end_at_training_step_zero(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG | {"set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading"}
    theirs, ours = trajectories(name, steps, config, monkeypatch)
    np.testing.assert_allclose(ours[-1], theirs[-1], atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_a_config_without_spacing_means_the_default_of_each_diffusers_scheduler(name: str) -> None:
    scheduler = DIFFUSERS[name].from_config(CONFIG | {"steps_offset": 1})
    scheduler.set_timesteps(10)
    levels = [entry.level for entry in a_table(name, steps=10, steps_offset=1).entries]
    assert levels == scheduler.timesteps.tolist()


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("name", ["dpmpp-2m", "unipc-2", "ddim", "euler"])
def test_every_number_of_steps_visits_the_training_steps_that_diffusers_visits(name: str, spacing: str) -> None:
    scheduler = DIFFUSERS[name].from_config(CONFIG | {"timestep_spacing": spacing})
    for steps in range(1, 1000, 7):
        scheduler.set_timesteps(steps)
        levels = [entry.level for entry in a_table(name, steps=steps, timestep_spacing=spacing).entries]
        # At some counts numpy's `arange` gives diffusers one trailing step more than was asked for.
        assert levels == scheduler.timesteps.tolist()[:steps]


def test_the_lists_of_hybrid_sd_are_reproduced() -> None:
    dpm = [entry.level for entry in a_table(steps=25).entries]
    assert dpm[:5] + dpm[-2:] == [999, 959, 919, 879, 839, 80, 40]
    assert [entry.level for entry in a_table("lcm", steps=8).entries] == [999, 879, 759, 639, 499, 379, 259, 139]


def trajectories(
    name: str, steps: int, config: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Every x of diffusers' run, made variance-preserving, and of ours; same network, initial noise and noise."""
    scheduler = DIFFUSERS[name].from_config(config)
    table = sampler.compile_table(Schedule.from_config(config), sampler=name, steps=steps)
    network = mixture(config.get("prediction_type", "epsilon"), scheduler)
    injected = [noise.normals(7, image=0, step=step, shape=SHAPE) for step in range(steps + 1)]
    with monkeypatch.context() as patch:
        for module in (scheduling_lcm, scheduling_euler_ancestral_discrete):
            given = iter(injected[1:])
            patch.setattr(module, "randn_tensor", lambda *_, given=given, **__: torch.from_numpy(next(given))[None])
        theirs = run_diffusers(scheduler, steps, network, start=injected[0], is_exploding=name.startswith("euler"))
    return theirs, run_table(table, network, injected)


def mixture(prediction: str, scheduler: object) -> Network:
    """The exact denoiser of a mixture of five Gaussians, as epsilon or v."""
    means = np.random.default_rng(0).normal(size=(5, *SHAPE)) * 0.8
    power = scheduler.alphas_cumprod.double().numpy()

    def network(x: np.ndarray, level: float) -> np.ndarray:
        clean = np.interp(level, np.arange(1000), power)
        alpha, sigma = np.sqrt(clean), np.sqrt(1 - clean)
        spread = clean * 0.15**2 + sigma**2
        away = x.astype(np.float64) - alpha * means
        distances = (away**2).sum(axis=(1, 2, 3))
        weights = np.exp((distances.min() - distances) / (2 * spread))
        weights /= weights.sum()
        x0 = np.einsum("m,mchw->chw", weights, means + alpha * 0.15**2 / spread * away)
        epsilon = (x - alpha * x0) / sigma
        return (epsilon if prediction == "epsilon" else alpha * epsilon - sigma * x0).astype(np.float32)

    return network


def run_diffusers(
    scheduler: object, steps: int, network: Network, *, start: np.ndarray, is_exploding: bool
) -> list[np.ndarray]:
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(start)[None] * scheduler.init_noise_sigma
    visited = [x]
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        output = torch.from_numpy(network(scaled[0].numpy(), float(timestep)))[None]
        x = scheduler.step(output, timestep, x, return_dict=False)[0]
        visited.append(x)
    scales = (scheduler.sigmas.double() ** 2 + 1) ** 0.5 if is_exploding else torch.ones(steps + 1)
    return [(x.double() / scale)[0].numpy() for x, scale in zip(visited, scales, strict=True)]


def run_table(table: sampler.Table, network: Network, injected: list[np.ndarray]) -> list[np.ndarray]:
    x, history = injected[0] * np.float32(table.initial), ()
    visited = [x]
    for position, entry in enumerate(table.entries):
        fresh = injected[position + 1] if table.needs_noise(position) else None
        x, x0 = sampler.step(x, network(x, entry.level), entry=entry, history=history, noise=fresh)
        history = (x0, *history)[: table.history_length]
        visited.append(x)
    return visited


# One row, many rows.

latents = hnp.arrays(np.float32, LATENT, elements=st.floats(-8, 8, width=32))
names = st.sampled_from(sampler.SAMPLERS)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, object]:
    table = a_table(draw(names), steps=draw(st.sampled_from([1, 2, 7, 25])), prediction_type="v_prediction")
    position = draw(st.integers(0, table.steps - 1))
    history = tuple(draw(latents) for _ in range(min(position, table.history_length)))
    fresh = draw(latents) if table.needs_noise(position) else None
    entry = table.at(position)
    return {"x": draw(latents), "output": draw(latents), "entry": entry, "history": history, "noise": fresh}


def step_together(batch: list[dict[str, object]]) -> list[tuple[bytes, bytes]]:
    after, x0 = sampler.step_rows(
        np.stack([row["x"] for row in batch]),
        np.stack([row["output"] for row in batch]),
        entries=[row["entry"] for row in batch],
        history=[row["history"] for row in batch],
        noise=[row["noise"] for row in batch],
    )
    return [(a.tobytes(), b.tobytes()) for a, b in zip(after, x0, strict=True)]


def step_alone(row: dict[str, object]) -> tuple[bytes, bytes]:
    x, output = row["x"], row["output"]
    after, x0 = sampler.step(x, output, entry=row["entry"], history=row["history"], noise=row["noise"])
    return after.tobytes(), x0.tobytes()


@given(st.lists(rows(), min_size=1, max_size=8))
def test_a_row_has_the_same_bits_alone_and_in_any_batch(batch: list[dict[str, object]]) -> None:
    assert step_together(batch) == [step_alone(row) for row in batch]


@given(batch=st.lists(rows(), min_size=1, max_size=8), data=st.data())
def test_the_order_of_the_rows_does_not_matter(batch: list[dict[str, object]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(batch))))
    together = step_together(batch)
    assert step_together([batch[row] for row in order]) == [together[row] for row in order]


@given(rows())
def test_a_step_is_the_linear_combination_that_its_entry_says(row: dict[str, object]) -> None:
    entry, x, output = row["entry"], row["x"].astype(np.float64), row["output"].astype(np.float64)
    x0 = entry.x0_from_x * x + entry.x0_from_output * output
    after = entry.x * x + entry.x0 * x0
    for weight, past in zip(entry.history, row["history"], strict=False):
        after = after + weight * past
    if row["noise"] is not None:
        after = after + entry.noise * row["noise"]
    ours, our_x0 = sampler.step(row["x"], row["output"], entry=entry, history=row["history"], noise=row["noise"])
    np.testing.assert_allclose(our_x0, x0, atol=1e-4)
    np.testing.assert_allclose(ours, after, atol=1e-4)


@given(conditional=latents, unconditional=latents)
def test_guidance_of_one_is_the_identity(conditional: np.ndarray, unconditional: np.ndarray) -> None:
    assert sampler.guide(conditional, unconditional, 1.0).tobytes() == conditional.tobytes()


@given(st.lists(st.tuples(latents, latents, st.floats(1, 20, width=32)), min_size=1, max_size=6))
def test_guidance_has_the_same_bits_alone_and_in_any_batch(batch: list[tuple[np.ndarray, np.ndarray, float]]) -> None:
    conditional, unconditional, scales = zip(*batch, strict=True)
    together = sampler.guide(np.stack(conditional), np.stack(unconditional), scales)
    assert [row.tobytes() for row in together] == [sampler.guide(*row).tobytes() for row in batch]


def test_guidance_leaves_its_inputs_alone() -> None:
    conditional, unconditional = np.ones(LATENT, np.float32), np.zeros(LATENT, np.float32)
    assert (sampler.guide(conditional, unconditional, 3.0) == 3.0).all()
    assert (conditional == 1.0).all()
    assert (unconditional == 0.0).all()


# Tables as values.


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_the_rest_of_a_table_keeps_its_positions(name: str) -> None:
    table = a_table(name)
    rest = table.rest(10)
    assert rest.steps == table.steps
    assert [rest.at(position) for position in range(10, 25)] == list(table.entries[10:])
    assert table.rest(25).entries == ()


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_the_level_falls_to_zero_along_the_trajectory(name: str) -> None:
    table = a_table(name)
    noisy = [sampler.level_of(a_schedule(), table=table, position=position) for position in range(26)]
    assert noisy == sorted(noisy, reverse=True)
    assert noisy[-1] == 0.0
    boundaries = [table.boundary(position) for position in range(26)]
    assert boundaries == sorted(boundaries, reverse=True)


def test_only_stochastic_samplers_inject_noise_and_never_at_the_end() -> None:
    injecting = {name: [a_table(name).needs_noise(position) for position in range(25)] for name in sampler.SAMPLERS}
    for name, injects in injecting.items():
        assert injects == [name in {"euler-a", "lcm"}] * 24 + [False]


def test_equal_requests_share_one_table() -> None:
    assert a_table("ddim") is a_table("ddim")


@pytest.mark.parametrize("name", ["dpmpp-2m", "unipc-2", "ddim", "euler", "euler-a"])
@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
def test_every_number_of_steps_gives_finite_weights(name: str, spacing: str) -> None:
    for steps in (*range(1, 40), 500, 667, 998, 999, 1000):
        for entry in a_table(name, steps=steps, timestep_spacing=spacing).entries:
            weights = (entry.x0_from_x, entry.x0_from_output, entry.x, entry.x0, entry.noise, *entry.history)
            assert np.isfinite(weights).all()
