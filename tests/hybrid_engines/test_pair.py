import json

import pytest

from hybrid_engines import models, pair


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def both(root):
    return (models.open_model((root / name).as_uri()) for name in ("large", "small"))


@pytest.fixture
def two_pipelines(tiny):
    """Make the small model a whole pipeline, so that its parts may disagree."""
    import shutil

    for part in ("text_encoder", "vae", "scheduler", "tokenizer"):
        shutil.copytree(tiny / "large" / part, tiny / "small" / part)
    return tiny


def test_the_builtin_pair_fits_together():
    assert pair.check(*(models.open_model(f"builtin://shapes/{name}") for name in ("large", "small"))) == ()


def test_equal_parts_in_two_folders_fit_together(two_pipelines):
    assert pair.check(*both(two_pipelines)) == ()


@pytest.mark.parametrize(
    ("path", "change", "what", "values"),
    [
        (
            "scheduler/scheduler_config.json",
            {"prediction_type": "epsilon"},
            "prediction type",
            ("v_prediction", "epsilon"),
        ),
        ("scheduler/scheduler_config.json", {"beta_start": 0.00085}, "schedule `beta_start`", (0.0001, 0.00085)),
        (
            "scheduler/scheduler_config.json",
            {"rescale_betas_zero_snr": True},
            "schedule `rescale_betas_zero_snr`",
            (False, True),
        ),
        ("vae/config.json", {"scaling_factor": 0.13025}, "VAE scaling factor", (0.18215, 0.13025)),
        ("vae/config.json", {"shift_factor": 0.1}, "VAE shift factor", (None, 0.1)),
        ("unet/config.json", {"out_channels": 8}, "output channels", (4, 8)),
    ],
)
def test_a_difference_is_refused_with_both_values(two_pipelines, path, change, what, values):
    edit(two_pipelines / "small" / path, **change)
    with pytest.raises(pair.PairMismatch, match=what) as raised:
        pair.require(*both(two_pipelines))
    assert (raised.value.mismatches[0].first, raised.value.mismatches[0].second) == values
    assert all(repr(value) in str(raised.value) for value in values)


def test_several_differences_are_all_named(two_pipelines):
    edit(two_pipelines / "small" / "unet" / "config.json", in_channels=8, cross_attention_dim=24)
    edit(two_pipelines / "small" / "vae" / "config.json", latent_channels=8)
    edit(two_pipelines / "small" / "text_encoder" / "config.json", hidden_size=24)
    (two_pipelines / "pair.json").unlink()
    found = {mismatch.what for mismatch in pair.check(*both(two_pipelines))}
    assert found == {"latent channels", "cross-attention width", "text encoder"}


def test_another_text_encoder_is_a_difference(two_pipelines):
    path = two_pipelines / "small" / "text_encoder" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert [mismatch.what for mismatch in pair.check(*both(two_pipelines))] == ["text encoder"]


def test_a_schedule_silent_about_a_default_agrees_with_one_that_states_it(two_pipelines):
    path = two_pipelines / "small" / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    del config["num_train_timesteps"]
    path.write_text(json.dumps(config))
    assert pair.check(*both(two_pipelines)) == ()
