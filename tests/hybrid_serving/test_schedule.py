"""The schedule is read from a diffusers config and agrees with diffusers at every training step."""

import numpy as np
import pytest
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

from hybrid_serving import schedule

STABLE_DIFFUSION = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}


def a_schedule(**changes: object) -> schedule.Schedule:
    return schedule.Schedule.from_config(STABLE_DIFFUSION | changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beta_schedule", "squaredcos_cap_v2"),
        ("beta_start", "small"),
        ("clip_sample", True),
        ("final_sigmas_type", "sigma_min"),
        ("interpolation_type", "log_linear"),
        ("num_train_timesteps", 0),
        ("prediction_type", "sample"),
        ("steps_offset", -1),
        ("thresholding", True),
        ("timestep_spacing", "random"),
        ("timestep_type", "continuous"),
        ("trained_betas", [0.1, 0.2]),
        ("use_karras_sigmas", True),
    ],
)
def test_a_setting_that_no_table_honours_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(schedule.ScheduleUnsupportedError, match=f"`{key}` is"):
        a_schedule(**{key: value})


def test_a_config_without_betas_is_refused() -> None:
    with pytest.raises(schedule.ScheduleUnsupportedError, match="`beta_start` is"):
        schedule.Schedule.from_config({"beta_end": 0.012, "beta_schedule": "scaled_linear"})


def test_the_config_of_stable_diffusion_is_read() -> None:
    assert a_schedule() == schedule.Schedule(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        set_alpha_to_one=False,
        clip_sample=False,
    )


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear"])
def test_signal_power_is_that_of_diffusers(betas: str, zero_snr: bool) -> None:
    changes = {"beta_schedule": betas, "rescale_betas_zero_snr": zero_snr}
    theirs = DDIMScheduler.from_config(STABLE_DIFFUSION | changes).alphas_cumprod.numpy()
    np.testing.assert_allclose(schedule.alpha_bars(a_schedule(**changes)), theirs, rtol=1e-6, atol=1e-8)


def test_zero_terminal_snr_ends_in_pure_noise_but_with_a_finite_ratio() -> None:
    rescaled = a_schedule(rescale_betas_zero_snr=True)
    theirs = EulerDiscreteScheduler.from_config(STABLE_DIFFUSION | {"rescale_betas_zero_snr": True})
    assert schedule.alpha_bars(rescaled)[-1] == 0.0
    assert schedule.sigmas(rescaled)[-1] == pytest.approx(float(theirs.sigmas[0]), rel=1e-6)


def test_noise_grows_with_the_training_step() -> None:
    levels = [a_schedule().noise_level(timestep) for timestep in np.linspace(0, 999, 2000).tolist()]
    assert (np.diff(levels) > 0).all()
    # Hybrid SD's split at k = 10 of 25: sqrt(alpha_bar) at training step 599 is 0.4022.
    assert 1 - a_schedule().noise_level(599) ** 2 == pytest.approx(0.4022**2, abs=1e-4)


def test_what_is_cached_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        schedule.alpha_bars(a_schedule())[0] = 0.5
