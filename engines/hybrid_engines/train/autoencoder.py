"""Trains the autoencoder and makes its latents fit for diffusion: unit channels, and a decoder that forgives noise."""

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from hybrid_engines.train import renderer
from hybrid_engines.train.scenes import Labels
from hybrid_engines.train.training import Budget, Trainer, normal, run

NOISE = 0.1
"""Deviation added to unit latents while training: what a U-Net leaves behind must not show."""


def encode(model: AutoencoderKL, pixels: Tensor) -> Tensor:
    """Latents of pixels from 0 to 1."""
    moments: Tensor = model.quant_conv(model.encoder(2 * pixels - 1))
    return moments.chunk(2, dim=1)[0]


def decode(model: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pixels from 0 to 1, not clipped."""
    out: Tensor = model.decoder(model.post_quant_conv(latents))
    return (out + 1) / 2


def train(model: AutoencoderKL, *, trainer: Trainer, scenes: Labels, budget: Budget) -> None:
    """Squared plus absolute error through noisy latents, and a pull of every channel to mean 0 and deviation 1."""
    single, two = scenes[scenes[:, 1] == 0], scenes[scenes[:, 1] > 0]
    model.to(memory_format=torch.channels_last)

    def loss(count: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        half = count // 2
        picks = (single[rng.integers(len(single), size=half)], two[rng.integers(len(two), size=count - half)])
        pixels = torch.from_numpy(renderer.render(np.concatenate(picks), rng=rng))
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latents = encode(model, pixels)
            out = decode(model, latents + NOISE * normal(latents.shape, rng=rng))
        error = out.float() - pixels
        deviation, mean = torch.std_mean(latents.float(), dim=(0, 2, 3))
        pull = (mean.square() + deviation.log().square()).mean()
        squared = error.square().mean()
        total = 10 * squared + error.abs().mean() + 0.1 * pull
        return total, {"psnr": float(-10 * squared.detach().log10()), "std": float(deviation.detach().mean())}

    run(trainer, budget=budget, loss=loss)


@torch.no_grad()
def normalize(model: AutoencoderKL, pixels: Tensor) -> None:
    """Fold the channels' means and deviations into the 1x1 convolutions: `scaling_factor` is 1 and latents are unit."""
    latents = encode(model, pixels)
    deviation, mean = torch.std_mean(latents, dim=(0, 2, 3))
    channels = len(mean)
    into, out_of = model.quant_conv, model.post_quant_conv
    out_of.bias += (out_of.weight[:, :, 0, 0] * mean).sum(1)
    out_of.weight *= deviation[None, :, None, None]
    into.weight[:channels] /= deviation[:, None, None, None]
    into.bias[:channels] = (into.bias[:channels] - mean) / deviation
    # The posterior's width was never trained; state the noise that the decoder was trained to bear.
    into.weight[channels:] = 0
    into.bias[channels:] = 2 * float(np.log(NOISE))


@torch.no_grad()
def psnr(model: AutoencoderKL, pixels: Tensor) -> float:
    """Of pictures given back without noise, in decibels."""
    error = decode(model, encode(model, pixels)).clamp(0, 1) - pixels
    return float(-10 * error.square().mean().log10())
