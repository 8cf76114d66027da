"""Makes the small U-Net: the large one without some blocks, taught to answer like it (BK-SDM, arXiv 2305.15798).

It learns only the levels behind the usual handoff, where it will work; the early ones are the large network's task, and
capacity spent on them would be missing later.
"""

import threading

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from hybrid_engines.train.dataset import Dataset
from hybrid_engines.train.denoiser import Noised, predict

HANDOFF_LEVEL = 650
"""The small network is trained below this training timestep; a split at 10 of 25 steps hands over at 599."""
FEATURE_WEIGHT = 0.1
TASK_WEIGHT = 0.3


def kept_name(name: str) -> str:
    """Where in the large network a parameter of the small one comes from.

    A stage keeps its first residual block on the way down, and the first and last on the way up: those whose skips
    still exist.
    """
    parts = name.split(".")
    if parts[0] == "up_blocks" and parts[2] in ("resnets", "attentions") and parts[3] == "1":
        parts[3] = "2"
    return ".".join(parts)


def inherit(small: UNet2DConditionModel, large: UNet2DConditionModel) -> None:
    """Copy every kept block."""
    source = large.state_dict()
    small.load_state_dict({name: source[kept_name(name)] for name in small.state_dict()})


class _Features:
    """Records what the stages of a U-Net put out, in the order that both networks share; apart for every thread."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._seen = threading.local()
        for block in (unet.down_blocks[0], *unet.up_blocks):
            block.register_forward_hook(self._record)

    def _record(self, _: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        self._seen.__dict__.setdefault("outputs", []).append(output[0] if isinstance(output, tuple) else output)

    def take(self) -> list[Tensor]:
        """What was recorded since the last call."""
        outputs: list[Tensor] = self._seen.__dict__.pop("outputs")
        return outputs


def draw_levels(count: int, *, rng: np.random.Generator) -> Tensor:
    """Only behind the handoff."""
    return torch.from_numpy(rng.integers(0, HANDOFF_LEVEL, size=count))


class DistillationLoss:
    """Distance to the large network's output and features, and to the target itself."""

    def __init__(self, small: UNet2DConditionModel, *, large: UNet2DConditionModel, data: Dataset) -> None:
        self._small, self._large, self._data = small, large, data
        large.eval().requires_grad_(requires_grad=False)
        self._of_small, self._of_large = _Features(small), _Features(large)

    def __call__(self, count: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """One batch; figures say how far off each part is."""
        batch = self._data.draw(count, rng=rng)
        noised = Noised(batch.latents, levels=draw_levels(count, rng=rng), rng=rng)
        with torch.no_grad():
            answer = predict(self._large, noised, batch.captions)
        mine = predict(self._small, noised, batch.captions)
        output = (mine - answer).square().mean()
        task = (mine - noised.target).square().mean()
        feature = torch.zeros(())
        for a, b in zip(self._of_small.take(), self._of_large.take(), strict=True):
            feature = feature + (a.float() - b.float()).square().mean() / b.float().var().clamp(min=1e-6)
        total = output + TASK_WEIGHT * task + FEATURE_WEIGHT * feature
        figures = {"output": output, "task": task, "feature": feature}
        return total, {name: float(value.detach()) for name, value in figures.items()}
