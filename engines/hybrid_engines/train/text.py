"""Trains the text encoder before any picture is drawn: the U-Net need not learn which color belongs to which shape.

Reading heads on the padding behind a caption must name the whole scene: background (or that none was said), layout,
and both objects. A causal encoder has read the caption by then. The heads are thrown away; the encoder is frozen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from hybrid_engines.train import scenes as _scenes
from hybrid_engines.train.scenes import CONTEXT, LONGEST_CAPTION, SIZES, Labels
from hybrid_engines.train.training import Budget, Trainer, run

TrainerOf: TypeAlias = Callable[[nn.Module], Trainer]
EMPTY_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """Every caption of every scene as token ids, so that training never waits for words."""

    tokens: Tensor
    """`[scenes, phrasings, CONTEXT]`, int16; the first half of the phrasings names the background."""
    empty: Tensor
    """`[CONTEXT]`: the unconditional prompt."""


def phrasebook(tokenizer: PreTrainedTokenizerFast, *, scenes: Labels, phrasings: int = 8, seed: int = 0) -> Phrasebook:
    """A seeded choice of sentences for each scene."""
    rng = np.random.default_rng(seed)
    sentences = []
    for row in scenes:
        scene = _scenes.decode(row)
        templates = rng.integers(60, size=phrasings)
        framings = [int(f) if i < phrasings // 2 else None for i, f in enumerate(rng.integers(60, size=phrasings))]
        sentences += [
            _scenes.caption(scene, template=int(t), framing=f) for t, f in zip(templates, framings, strict=True)
        ]
    ids = tokens(tokenizer, sentences).to(torch.int16)
    return Phrasebook(tokens=ids.view(len(scenes), phrasings, CONTEXT), empty=tokens(tokenizer, [""])[0])


def tokens(tokenizer: PreTrainedTokenizerFast, sentences: Sequence[str]) -> Tensor:
    """`[n, CONTEXT]`."""
    return torch.tensor(
        tokenizer(list(sentences), padding="max_length", truncation=True, max_length=CONTEXT)["input_ids"]
    )


def embed(encoder: CLIPTextModel, ids: Tensor) -> Tensor:
    """What cross-attention reads."""
    states: Tensor = encoder(ids.long()).last_hidden_state
    return states


class _Reader(nn.Module):
    def __init__(self, encoder: CLIPTextModel, *, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.Linear(width, sum(SIZES))

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        padding = embed(self.encoder, ids)[:, LONGEST_CAPTION + 2 :]
        return tuple(self.heads(padding).split(SIZES, dim=-1))


def _targets(scenes: Labels, *, names_background: np.ndarray, empty: np.ndarray) -> Tensor:
    """Labels as a caption tells them: the class after the last word where it says nothing."""
    told = scenes.copy()
    told[~names_background, 0] = SIZES[0] - 1
    told[empty] = np.array(SIZES) - 1
    return torch.from_numpy(told)


def train(
    encoder: CLIPTextModel, *, book: Phrasebook, scenes: Labels, trainer_of: TrainerOf, budget: Budget, seed: int
) -> float:
    """Teach the encoder to read; returns the share of captions of `scenes` whose every slot is then read right."""
    reader = _Reader(encoder, width=encoder.config.hidden_size)
    trainer: Trainer = trainer_of(reader)
    phrasings = book.tokens.shape[1]
    is_single = scenes[:, 1] == 0
    singles, twos = np.flatnonzero(is_single), np.flatnonzero(~is_single)

    def draw(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        quarter = count // 4
        rows = np.concatenate([rng.choice(singles, quarter), rng.choice(twos, count - quarter)])
        phrasing = rng.integers(phrasings, size=count)
        empty = rng.random(count) < EMPTY_SHARE
        ids = book.tokens[torch.from_numpy(rows), torch.from_numpy(phrasing)].long()
        ids[torch.from_numpy(empty)] = book.empty
        return ids, _targets(scenes[rows], names_background=phrasing < phrasings // 2, empty=empty)

    def loss(count: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        ids, targets = draw(count, rng)
        total = torch.zeros(())
        right = torch.ones(len(ids), dtype=torch.bool)
        for logits, target in zip(reader(ids), targets.T, strict=True):
            repeated = target[:, None].expand(logits.shape[:2])
            total = total + nn.functional.cross_entropy(logits.flatten(0, 1), repeated.flatten())
            right &= logits[:, -1].argmax(-1) == target
        return total, {"loss": float(total.detach()), "read": float(right.float().mean())}

    run(trainer, budget=budget, loss=loss)
    reader.load_state_dict(trainer.averaged())
    reader.eval()
    with torch.no_grad():
        ids, targets = draw(4096, np.random.default_rng(seed))
        read = torch.stack([logits[:, -1].argmax(-1) for logits in reader(ids)], dim=1)
    return float((read == targets).all(1).float().mean())
