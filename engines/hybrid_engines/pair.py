"""Whether models fit together in one trajectory. It compares configurations and digests, never outputs."""

from collections.abc import Iterator
from dataclasses import dataclass

from hybrid_engines.models import Model
from hybrid_engines.parts import ModelError

BETAS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "trained_betas", "rescale_betas_zero_snr")
BETA_DEFAULTS = {
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "rescale_betas_zero_snr": False,
}
"""What diffusers' schedulers assume where a configuration is silent."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A property in which two models differ."""

    what: str
    first: object
    second: object


class PairMismatch(ModelError):
    """Two models that cannot share a trajectory."""

    def __init__(self, first: Model, second: Model, *, mismatches: tuple[Mismatch, ...]) -> None:
        rows = "; ".join(f"{m.what}: {m.first!r} against {m.second!r}" for m in mismatches)
        super().__init__(f"`{first.name}` and `{second.name}` do not fit together. {rows}. Use models of one family.")
        self.mismatches = mismatches


def check(first: Model, second: Model) -> tuple[Mismatch, ...]:
    """Every property that must agree and does not."""
    ours, theirs = dict(_properties(first)), dict(_properties(second))
    return tuple(Mismatch(what, ours[what], theirs[what]) for what in ours if ours[what] != theirs[what])


def require(first: Model, second: Model) -> None:
    """Raise `PairMismatch` with both values of everything that does not agree."""
    mismatches = check(first, second)
    if mismatches:
        raise PairMismatch(first, second, mismatches=mismatches)


def _properties(model: Model) -> Iterator[tuple[str, object]]:
    vae, unet = model.vae.config, model.unet
    yield "latent channels", model.latent_channels
    yield "output channels", unet.setting("out_channels")
    yield "VAE downscale factor", model.downscale
    yield "VAE scaling factor", model.scaling_factor
    yield "VAE shift factor", vae.get("shift_factor")
    yield "VAE latents mean", vae.get("latents_mean")
    yield "VAE latents deviation", vae.get("latents_std")
    yield "prediction type", model.prediction_type
    yield from ((f"schedule `{key}`", model.schedule.get(key, BETA_DEFAULTS.get(key))) for key in BETAS)
    yield "cross-attention width", unet.setting("cross_attention_dim")
    yield "tokens", model.max_tokens
    yield "text encoder", model.digest("text_encoder")[:16]
