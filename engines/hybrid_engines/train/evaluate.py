"""Draws prompts with the pair split at k, has the classifier judge the pictures, and lays out contact sheets."""

import copy
import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from hybrid_engines.train import autoencoder as _autoencoder
from hybrid_engines.train import classifier as _classifier
from hybrid_engines.train import networks, scenes, text

STEPS = 25
GUIDANCE = 5.0


@dataclass(frozen=True, slots=True)
class Studio:
    """All that turns a prompt into a picture, but for the U-Nets."""

    tokenizer: PreTrainedTokenizerFast
    encoder: CLIPTextModel
    autoencoder: AutoencoderKL
    judge: _classifier.Classifier


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of prompts drawn as asked; the Frechet distance is of the judge's features to those of renders."""

    one: float
    two: float
    all: float
    one_slots: _classifier.Reading
    two_slots: _classifier.Reading
    frechet: float


def levels(steps: int) -> list[int]:
    """The training timesteps that a sampler of so many steps shows to the network."""
    sampler = networks.sampler()
    sampler.set_timesteps(steps)
    return [int(t) for t in sampler.timesteps]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to draw: the networks, and the sampler's settings."""

    large: UNet2DConditionModel
    small: UNet2DConditionModel | None = None
    steps: int = STEPS
    guidance: float = GUIDANCE


@dataclass(frozen=True, slots=True)
class _State:
    """A picture under way: latents, the sampler with its history, and how many steps are done."""

    latents: Tensor
    sampler: DPMSolverMultistepScheduler
    done: int = 0

    def advance(self, unet: UNet2DConditionModel, *, captions: Tensor, to: int, guidance: float) -> "_State":
        """Later steps by `unet`; this state stays as it is."""
        sampler, latents = copy.deepcopy(self.sampler), self.latents
        for level in sampler.timesteps[self.done : to]:
            unconditional, conditional = unet(torch.cat([latents, latents]), level, captions).sample.chunk(2)
            latents = sampler.step(unconditional + guidance * (conditional - unconditional), level, latents).prev_sample
        return _State(latents=latents, sampler=sampler, done=to)


def _start(prompts: Sequence[scenes.Prompt], *, steps: int) -> _State:
    shape = (networks.LATENT_CHANNELS, networks.LATENT_SIZE, networks.LATENT_SIZE)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(p.seed)) for p in prompts]
    sampler = networks.sampler()
    sampler.set_timesteps(steps)
    return _State(latents=torch.stack(noise), sampler=sampler)


@torch.inference_mode()
def _draw_some(
    prompts: Sequence[scenes.Prompt], *, studio: Studio, recipe: Recipe, splits: Sequence[int]
) -> dict[int, Tensor]:
    ids = text.tokens(studio.tokenizer, [*[""] * len(prompts), *[p.caption for p in prompts]])
    captions = text.embed(studio.encoder, ids)
    state = _start(prompts, steps=recipe.steps)
    pictures = {}
    for k in sorted(splits):
        state = state.advance(recipe.large, captions=captions, to=k, guidance=recipe.guidance)
        small = recipe.small or recipe.large
        last = state.advance(small, captions=captions, to=recipe.steps, guidance=recipe.guidance)
        pictures[k] = _autoencoder.decode(studio.autoencoder, last.latents).clamp(0, 1)
    return pictures


def draw(
    prompts: Sequence[scenes.Prompt], *, studio: Studio, recipe: Recipe, splits: Sequence[int], batch: int = 40
) -> dict[int, Tensor]:
    """Pictures (0 to 1) for every split k: the first k steps by the large network, the others by the small.

    The sampler's history is carried over. The large network's steps are the same for all splits and are done once.
    Batches are drawn side by side, a core each.
    """
    some = [prompts[start : start + batch] for start in range(0, len(prompts), batch)]
    one = functools.partial(_draw_some, studio=studio, recipe=recipe, splits=splits)
    with ThreadPoolExecutor(os.cpu_count(), initializer=functools.partial(torch.set_num_threads, 1)) as pool:
        parts = list(pool.map(one, some))
    return {k: torch.cat([part[k] for part in parts]) for k in splits}


def wanted(prompts: Sequence[scenes.Prompt]) -> scenes.Labels:
    """Labels of the scenes that prompts ask for."""
    return np.array([scenes.encode(p.scene) for p in prompts])


def score(
    pixels: Tensor, prompts: Sequence[scenes.Prompt], *, judge: _classifier.Classifier, reference: Tensor
) -> Score:
    """Judge drawn pictures; `reference` holds the judge's features of as many renders."""
    want, read = wanted(prompts), judge.read(pixels)
    named = np.array([p.names_background for p in prompts])
    single = want[:, 1] == 0
    right, _ = _classifier.compare(read, want, scores_background=named)
    with torch.inference_mode():
        features = judge.features(pixels)
    readings = [_classifier.compare(read[of], want[of], scores_background=named[of])[1] for of in (single, ~single)]
    return Score(
        one=float(right[single].mean()),
        two=float(right[~single].mean()),
        all=float(right.mean()),
        one_slots=readings[0],
        two_slots=readings[1],
        frechet=_classifier.frechet(features, reference),
    )


def contact_sheet(rows: Sequence[Tensor], *, gap: int = 4, scale: int = 2) -> Image.Image:
    """A picture of pictures: one row a tensor `[n, 3, 64, 64]`."""
    side = rows[0].shape[-1] * scale
    sheet = Image.new("RGB", (gap + len(rows[0]) * (side + gap), gap + len(rows) * (side + gap)), (200, 200, 200))
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            array = (pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            tile = Image.fromarray(array).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(tile, (gap + x * (side + gap), gap + y * (side + gap)))
    return sheet
