"""This device's half of a pair: the small network and the decoder as engines, and whether they fit a handoff.

Loads engines from the cache and never builds one; with a built engine no training framework is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hybrid_engines import build, models
from hybrid_engines.engine import Engine
from hybrid_engines.models import Model
from hybrid_engines.signature import Role
from hybrid_engines.spec import EngineSpec
from hybrid_serving.edge import finish
from hybrid_serving.edge import profile as profiles
from hybrid_serving.edge.finish import Finished
from hybrid_serving.edge.profile import DeviceProfile
from hybrid_serving.handoff import Handoff
from hybrid_serving.protocol import State

Size = tuple[int, int]


class CannotFinish(Exception):  # what happened
    """The handoff is genuine, but this device is not the one to finish it."""


@dataclass(frozen=True, slots=True)
class Device:
    """A small network at one size, ready to run."""

    model: Model
    unet: Engine
    decoder: Engine

    @classmethod
    def open(cls, model: Model, *, spec: EngineSpec, size: Size, cache: Path | None = None) -> "Device":
        """Load the engines; raises `EngineMissing` with the command that builds one."""
        unet = build.load(model, "unet", spec=spec, size=size, cache=cache)
        return cls(model, unet, build.load(model, "decoder", spec=spec, size=size, cache=cache))

    def profile(self, folder: Path) -> DeviceProfile:
        """How fast it is, measured once."""
        return profiles.cached(self.unet, decoder=self.decoder, folder=folder)

    def finish(self, handoff: Handoff, *, segment: str, on_step: Callable[[State], None] | None = None) -> Finished:
        """Finish a verified handoff as the segment `segment`, or say why another must."""
        self.check(handoff, segment=segment)
        return finish.finish(
            handoff.state,
            table=handoff.table,
            settings=handoff.settings,
            conditioning=handoff.conditioning,
            unet=self.unet,
            decoder=self.decoder,
            on_step=on_step,
        )

    def check(self, handoff: Handoff, *, segment: str) -> None:
        """Raise `CannotFinish` unless the handoff's segment `segment` is the network that runs here."""
        wanted, here = handoff.networks.get(segment, "none"), self.unet.domain.network
        if wanted != here:
            raise CannotFinish(
                f"The handoff's segment `{segment}` is network {wanted[:12]}, "
                f"this device has {here[:12]} (`{self.model.name}`)."
            )
        (sample,) = self.unet.signature.by_role(Role.SAMPLE)
        if handoff.state.x.shape != sample.shape:
            raise CannotFinish(
                f"The handoff's latent is {handoff.state.x.shape}, this device's engine takes {sample.shape}."
            )
        if handoff.table.prediction != self.model.prediction_type:
            raise CannotFinish(
                f"The handoff's table is for `{handoff.table.prediction}`, "
                f"this device's network predicts `{self.model.prediction_type}`."
            )
        self._check_levels([entry.level for entry in handoff.table.entries])

    def _check_levels(self, levels: list[float]) -> None:
        """Noise levels fall, and the network was trained on all of them."""
        train_steps = float(self.model.schedule.get("num_train_timesteps", 1000))
        if levels != sorted(levels, reverse=True) or not all(0.0 <= level < train_steps for level in levels):
            raise CannotFinish(
                f"The handoff's noise levels do not fall from below {train_steps:.0f} to 0; "
                "this device's network was not trained on them."
            )


def builtin_with(network: str) -> Model | None:
    """The built-in model whose U-Net has this digest."""
    for folder in sorted(models.BUILTIN.glob("*/*/unet")):
        model = models.open_model(f"builtin://{folder.parent.parent.name}/{folder.parent.name}")
        if model.digest("unet") == network:
            return model
    return None
