"""Trains the large U-Net: v-prediction on encoded scenes, with most draws where a shape is decided."""

import functools

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from hybrid_engines.train import networks, training
from hybrid_engines.train.dataset import Dataset

LEVELS = 1000


@functools.cache
def schedule() -> tuple[Tensor, Tensor]:
    """alpha and sigma of every training level."""
    alphas_cumprod = networks.sampler().alphas_cumprod
    return alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()


def draw_levels(count: int, *, center: float, width: float, rng: np.random.Generator) -> Tensor:
    """Half uniform, half around `center`: on a coarse grid a shape is decided at signal-to-noise ratios of 0.1 to 3."""
    levels = np.where(rng.random(count) < 0.5, rng.uniform(0, LEVELS, count), rng.normal(center, width, count))
    levels = np.where((levels < 0) | (levels >= LEVELS), rng.uniform(0, LEVELS, count), levels)
    return torch.from_numpy(levels.astype(np.int64))


class Noised:
    """A batch at noise levels: `noisy = alpha * x0 + sigma * noise`; the target is `v = alpha * noise - sigma * x0`."""

    def __init__(self, latents: Tensor, *, levels: Tensor, rng: np.random.Generator) -> None:
        alpha, sigma = (table[levels][:, None, None, None] for table in schedule())
        noise = training.normal(latents.shape, rng=rng)
        self.levels = levels
        self.noisy = (alpha * latents + sigma * noise).contiguous(memory_format=torch.channels_last)
        self.target = alpha * noise - sigma * latents


def predict(unet: UNet2DConditionModel, noised: Noised, captions: Tensor) -> Tensor:
    """v, in bfloat16 arithmetic; the cache of casts is off because threads would share it."""
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        out: Tensor = unet(noised.noisy, noised.levels, captions).sample
    return out.float()


class DenoisingLoss:
    """Mean squared error of v."""

    def __init__(self, unet: UNet2DConditionModel, *, data: Dataset) -> None:
        self._unet, self._data = unet, data

    def __call__(self, count: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """One part of a batch; the figures are losses by region of noise."""
        batch = self._data.draw(count, rng=rng)
        noised = Noised(batch.latents, levels=draw_levels(count, center=500, width=180, rng=rng), rng=rng)
        error = (predict(self._unet, noised, batch.captions) - noised.target).square().mean((1, 2, 3))
        detached, levels = error.detach(), noised.levels
        figures = {"loss": float(detached.mean())}
        for name, low, high in (("low", 0, 300), ("middle", 300, 650), ("high", 650, LEVELS)):
            of = (levels >= low) & (levels < high)
            figures[name] = float(detached[of].mean())
        return error.mean(), figures
