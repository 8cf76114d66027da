"""Reads a picture back into a scene: the judge of the pair, and the features of its Frechet distance."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from hybrid_engines.train import autoencoder as _autoencoder
from hybrid_engines.train import renderer
from hybrid_engines.train.scenes import BACKGROUNDS, COLORS, LAYOUTS, SHAPES, Labels
from hybrid_engines.train.training import Budget, Trainer, normal, run

CLASSES = (len(BACKGROUNDS), len(LAYOUTS), len(COLORS) + 1, len(SHAPES) + 1, len(COLORS) + 1, len(SHAPES) + 1)
FEATURES = 128


class Classifier(nn.Module):
    """Five strided convolutions, one linear layer of features, and a head a slot."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 48, 64, 96)
        layers: list[nn.Module] = []
        for inner, outer in itertools.pairwise(widths):
            layers += [nn.Conv2d(inner, outer, 3, stride=2, padding=1), nn.GroupNorm(8, outer), nn.SiLU()]
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * 16, FEATURES), nn.SiLU())
        self.heads = nn.Linear(FEATURES, sum(CLASSES))

    def features(self, pixels: Tensor) -> Tensor:
        """What the Frechet distance compares."""
        out: Tensor = self.trunk(2 * pixels - 1)
        return out

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Logits, slot by slot."""
        return tuple(self.heads(self.features(pixels)).split(CLASSES, dim=-1))

    @torch.no_grad()
    def read(self, pixels: Tensor) -> Labels:
        """`[n, 6]` labels, as `scenes.encode` writes them."""
        slots = torch.stack([logits.argmax(-1) for logits in self(pixels)], dim=1)
        return slots.numpy()


@dataclass(frozen=True, slots=True)
class Reading:
    """Shares of pictures that were read right, slot by slot and in all."""

    background: float
    layout: float
    color: float
    shape: float
    all: float


def compare(read: Labels, wanted: Labels, *, scores_background: np.ndarray | None = None) -> tuple[np.ndarray, Reading]:
    """Which pictures show what was wanted, and the shares; a background that nobody asked for is not scored."""
    same = read == wanted
    if scores_background is not None:
        same[:, 0] |= ~scores_background
    right = same.all(1)
    means = same.mean(0)
    return right, Reading(
        background=float(means[0]),
        layout=float(means[1]),
        color=float(same[:, [2, 4]].all(1).mean()),
        shape=float(same[:, [3, 5]].all(1).mean()),
        all=float(right.mean()),
    )


def _worn(pixels: Tensor, *, rng: np.random.Generator) -> Tensor:
    """Half of the pictures slightly blurred, all slightly noisy: a judge must not care about either."""
    blurred = nn.functional.avg_pool2d(nn.functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = torch.from_numpy(rng.uniform(0, 1, len(pixels)).clip(0.5) * 2 - 1).float()[:, None, None, None]
    mixed = torch.lerp(pixels, blurred, amount)
    return mixed + 0.03 * normal(mixed.shape, rng=rng)


def train(
    model: Classifier, *, trainer: Trainer, scenes: Labels, autoencoder: AutoencoderKL | None, budget: Budget
) -> None:
    """Renders, half of them (when there is an autoencoder) as it gives them back."""
    single, two = scenes[scenes[:, 1] == 0], scenes[scenes[:, 1] > 0]

    def loss(count: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        quarter = count // 4
        rows = np.concatenate(
            [single[rng.integers(len(single), size=quarter)], two[rng.integers(len(two), size=count - quarter)]]
        )
        rng.shuffle(rows)
        pixels = torch.from_numpy(renderer.render(rows, rng=rng))
        if autoencoder is not None:
            half = count // 2
            with torch.no_grad():
                pixels[:half] = _autoencoder.decode(autoencoder, _autoencoder.encode(autoencoder, pixels[:half])).clamp(
                    0, 1
                )
        logits = model(_worn(pixels, rng=rng))
        targets = torch.from_numpy(rows)
        total = sum(
            (nn.functional.cross_entropy(one, t) for one, t in zip(logits, targets.T, strict=True)),
            start=torch.zeros(()),
        )
        read = torch.stack([one.argmax(-1) for one in logits], dim=1)
        return total, {"loss": float(total.detach()), "read": float((read == targets).all(1).float().mean())}

    run(trainer, budget=budget, loss=loss)


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017)."""
    mean = (a.mean(0) - b.mean(0)).double()
    cov_a, cov_b = torch.cov(a.double().T), torch.cov(b.double().T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float(mean.square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)
