"""Latents and captions, made once: what the U-Nets are trained on. Kept in the user's cache."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextModel

from hybrid_engines.train import autoencoder as _autoencoder
from hybrid_engines.train import renderer, text
from hybrid_engines.train.scenes import Labels

SINGLE_SHARE = 0.25
UNCONDITIONAL_SHARE = 0.10


def draw_latents(model: AutoencoderKL, *, scenes: Labels, count: int, seed: int, path: Path) -> None:
    """Render `count` scenes, encode them, and write rows and latents (fp16) to `path`."""
    rng = np.random.default_rng(seed)
    singles, twos = np.flatnonzero(scenes[:, 1] == 0), np.flatnonzero(scenes[:, 1] > 0)
    rows = np.where(rng.random(count) < SINGLE_SHARE, rng.choice(singles, count), twos[np.arange(count) % len(twos)])
    parts = []
    for start in range(0, count, 256):
        pixels = torch.from_numpy(renderer.render(scenes[rows[start : start + 256]], rng=rng))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            parts.append(
                _autoencoder.encode(model, pixels.contiguous(memory_format=torch.channels_last)).half().contiguous()
            )
    torch.save({"rows": torch.from_numpy(rows), "latents": torch.cat(parts)}, path)


@dataclass(frozen=True, slots=True)
class Batch:
    """Latents `[n, C, 8, 8]` and embeddings of their captions `[n, CONTEXT, width]`, in float32."""

    latents: Tensor
    captions: Tensor


@dataclass(frozen=True, slots=True)
class Dataset:
    """Encoded scenes, and every phrasing of every scene."""

    rows: Tensor
    latents: Tensor
    book: text.Phrasebook
    encoder: CLIPTextModel

    def draw(self, count: int, *, rng: np.random.Generator) -> Batch:
        """Scenes at random, each with one of its captions, a tenth of them with none."""
        picks = torch.from_numpy(rng.integers(len(self.latents), size=count))
        phrasing = torch.from_numpy(rng.integers(self.book.tokens.shape[1], size=count))
        ids = self.book.tokens[self.rows[picks], phrasing].long()
        ids[torch.from_numpy(rng.random(count) < UNCONDITIONAL_SHARE)] = self.book.empty
        with torch.no_grad():
            captions = text.embed(self.encoder, ids)
        return Batch(latents=self.latents[picks].float(), captions=captions)


def load(path: Path, *, book: text.Phrasebook, encoder: CLIPTextModel) -> Dataset:
    """What `draw_latents` wrote, with the captions that belong to it."""
    saved = torch.load(path, weights_only=True)
    return Dataset(rows=saved["rows"], latents=saved["latents"], book=book, encoder=encoder)
