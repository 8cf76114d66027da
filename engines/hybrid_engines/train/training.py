"""The loop that every stage shares: a budget, a cosine to zero, Muon and AdamW, a moving average, checkpoints."""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Loss: TypeAlias = Callable[[int, np.random.Generator], tuple[Tensor, dict[str, float]]]
"""The loss of so many samples, drawn with that generator, and figures to log."""


Watch: TypeAlias = Callable[[], dict[str, float]]
"""Measures something slow, for the log."""


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by Newton-Schulz (Jordan et al. 2024); a convolution is a matrix of its filters."""

    def __init__(
        self, params: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002  # no closure is passed
        """One update."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                buffer = state.setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalize(p.grad.lerp(buffer, group["momentum"]).flatten(1))
                scale = 0.2 * math.sqrt(max(update.shape))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update.view_as(p), alpha=-group["lr"] * scale)


def orthogonalize(matrix: Tensor) -> Tensor:
    """The orthogonal factor of `matrix`, roughly: five quintic Newton-Schulz steps in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    out: Tensor = (x.T if tall else x).float()
    return out


@dataclass(frozen=True, slots=True)
class Budget:
    """When a stage ends: at the first limit reached. The learning rate falls to zero over it."""

    samples: int
    batch: int
    seconds: float = math.inf
    warmup: float = 0.01
    """Share of the budget."""
    parts: int = 1
    """Pieces of a batch that cores take in turn."""

    def used(self, *, samples: int, seconds: float) -> float:
        """Share of the budget gone."""
        return min(1.0, max(samples / self.samples, seconds / self.seconds))

    def rate(self, used: float) -> float:
        """Factor of the learning rate: a short warm-up, then a cosine to zero."""
        return min(1.0, used / self.warmup) * 0.5 * (1 + math.cos(math.pi * used))


class Trainer:
    """Owns the optimizers, the average and the checkpoint of one module, and goes on from there."""

    def __init__(
        self, module: nn.Module, *, lr: float, checkpoint: Path, ema: float = 0.999, muon_lr: float | None = None
    ) -> None:
        self.module = module
        self.checkpoint = checkpoint
        self.samples = 0
        self.steps = 0
        self.seconds = 0.0
        self._ema = ema
        trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in trained]
        hidden = [p for n, p in trained if p.ndim >= 2 and muon_lr is not None and not _is_border(n)]
        chosen = {id(p) for p in hidden}
        rest = [p for _, p in trained if id(p) not in chosen]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
        ]
        if hidden:
            self._optimizers.append(Muon(hidden, lr=muon_lr or lr, weight_decay=0.01))
        self._base = [[g["lr"] for g in o.param_groups] for o in self._optimizers]
        self._average = {n: p.detach().clone() for n, p in trained}
        self._resume()

    def step(self, gradients: Sequence[Tensor], *, factor: float, samples: int) -> None:
        """One update with `gradients`, in the order of `parameters`; `factor` scales every learning rate."""
        for p, gradient in zip(self.parameters, gradients, strict=True):
            p.grad = gradient
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, base in zip(self._optimizers, self._base, strict=True):
            for group, lr in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = lr * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self.samples += samples
        decay = min(self._ema, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for n, p in self.module.named_parameters():
                if n in self._average:
                    self._average[n].lerp_(p, 1 - decay)

    def averaged(self) -> dict[str, Tensor]:
        """The module's state with averaged parameters."""
        return {**self.module.state_dict(), **self._average}

    def save(self) -> None:
        """Write the checkpoint, by rename."""
        state = {
            "module": self.module.state_dict(),
            "average": self._average,
            "optimizers": [o.state_dict() for o in self._optimizers],
            "progress": (self.samples, self.steps, self.seconds),
        }
        scratch = self.checkpoint.with_suffix(".new")
        torch.save(state, scratch)
        scratch.replace(self.checkpoint)

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.module.load_state_dict(state["module"])
        self._average = state["average"]
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.samples, self.steps, self.seconds = state["progress"]


def _is_border(name: str) -> bool:
    """First and last layers and embeddings, which Muon does badly."""
    return any(part in name for part in ("conv_in", "conv_out", "embedding", "quant_conv", "pos_embed"))


class Gradients:
    """The mean gradient of a batch, from parts that as many threads as there are cores take in turn.

    Kernels of one thread each, instead of every kernel spread over all cores: on a busy machine no core waits for the
    slowest at every layer, which made a step five times faster there, and no slower on an idle one.
    """

    def __init__(self, parameters: Sequence[Tensor], *, loss: Loss, parts: int, part: int) -> None:
        self._parameters, self._loss, self._parts, self._part = parameters, loss, parts, part
        self._pool = ThreadPoolExecutor(min(parts, os.cpu_count() or 1), initializer=_one_thread) if parts > 1 else None

    def _take(self, seed: tuple[int, int]) -> tuple[Sequence[Tensor], dict[str, float]]:
        value, figures = self._loss(self._part, np.random.default_rng(seed))
        return torch.autograd.grad(
            value / self._parts, self._parameters, allow_unused=True, materialize_grads=True
        ), figures

    def __call__(self, step: int) -> tuple[Sequence[Tensor], list[dict[str, float]]]:
        """Randomness is a function of step and part alone: a resumed run sees what it would have seen."""
        seeds = [(step, part) for part in range(self._parts)]
        results = list(self._pool.map(self._take, seeds)) if self._pool else [self._take(seed) for seed in seeds]
        total = list(results[0][0])
        for gradients, _ in results[1:]:
            torch._foreach_add_(total, list(gradients))
        return total, [figures for _, figures in results]


def _one_thread() -> None:
    torch.set_num_threads(1)


def normal(shape: Sequence[int], *, rng: np.random.Generator) -> Tensor:
    """Gaussian noise from the part's own generator."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def run(
    trainer: Trainer,
    *,
    budget: Budget,
    loss: Loss,
    every: int = 100,
    watch: Watch | None = None,
    watch_seconds: float = 240.0,
) -> None:
    """Train until the budget is used; `watch` measures something slow now and then. Figures are logged."""
    trainer.module.train()
    threads = torch.get_num_threads()
    if budget.parts > 1:
        torch.set_num_threads(1)
    gradients = Gradients(trainer.parameters, loss=loss, parts=budget.parts, part=budget.batch // budget.parts)
    saved = watched = time.monotonic()
    mean: dict[str, float] = {}
    while (used := budget.used(samples=trainer.samples, seconds=trainer.seconds)) < 1:
        start = time.monotonic()
        found, figures = gradients(trainer.steps)
        trainer.step(found, factor=budget.rate(used), samples=budget.batch)
        now = time.monotonic()
        trainer.seconds += now - start
        for name, figure in (item for part in figures for item in part.items()):
            if not math.isnan(figure):
                mean[name] = figure if name not in mean else 0.98 * mean[name] + 0.02 * figure
        if trainer.steps % every == 0:
            _report(trainer, used=used, figures=mean)
        if now - saved > 60:
            trainer.save()
            saved = now
        if watch is not None and now - watched > watch_seconds:
            torch.set_num_threads(threads)
            _report(trainer, used=used, figures=watch())
            watched = time.monotonic()
            trainer.module.train()
            torch.set_num_threads(1 if budget.parts > 1 else threads)
    trainer.save()
    torch.set_num_threads(threads)


def _report(trainer: Trainer, *, used: float, figures: dict[str, float]) -> None:
    pace = trainer.samples / max(trainer.seconds, 1e-9)
    words = " ".join(f"{name}={figure:.4g}" for name, figure in figures.items())
    logger.info(
        "%s %3.0f %% samples=%d pace=%.0f/s %s", trainer.checkpoint.stem, 100 * used, trainer.samples, pace, words
    )


def write_json(path: Path, document: object) -> None:
    """Indented, with a newline at the end."""
    path.write_text(json.dumps(document, indent=2) + "\n")
