"""The folder where training keeps its checkpoints, and how a later stage gets what an earlier one made."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from hybrid_engines.train.training import write_json

Module = TypeVar("Module", bound=nn.Module)


def default_folder() -> Path:
    """In the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "hybrid-diffusion" / "pair"


class StageMissingError(Exception):
    """A stage needs what another has not made yet."""

    def __init__(self, stage: str) -> None:
        super().__init__(
            f"Stage `{stage}` has not been run. Run `python -m hybrid_engines.train {stage}` first, or all stages."
        )


@dataclass(frozen=True, slots=True)
class Workshop:
    """Checkpoints and figures, by stage."""

    folder: Path

    def checkpoint(self, stage: str) -> Path:
        """Of a stage in progress; final once the stage is finished."""
        return self.folder / f"{stage}.pt"

    def is_finished(self, stage: str) -> bool:
        """True once `finish` was called."""
        return (self.folder / f"{stage}.json").exists()

    def finish(self, stage: str, **figures: object) -> None:
        """Note that a stage is done, and what it measured."""
        write_json(self.folder / f"{stage}.json", figures)

    def figures(self, stage: str) -> dict[str, object]:
        """What a finished stage measured."""
        if not self.is_finished(stage):
            raise StageMissingError(stage)
        found: dict[str, object] = json.loads((self.folder / f"{stage}.json").read_text())
        return found

    def load(self, stage: str, module: Module) -> Module:
        """The averaged weights of a stage, finished or under way, into `module`."""
        path = self.checkpoint(stage)
        if not path.exists():
            raise StageMissingError(stage)
        state = torch.load(path, weights_only=True)
        module.load_state_dict({**state["module"], **state["average"]})
        return module.eval()
