"""The networks of a model as torch modules with named array inputs, weights in float32.

For building and for `eager` only: heavy imports live here, so nothing that serves may import this module.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import diffusers
import safetensors.torch
import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn

from hybrid_engines import widths
from hybrid_engines.models import Component, Model
from hybrid_engines.parts import ModelError, Part


class UNet(nn.Module):
    """Noise prediction with a level for each row."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, sample: Tensor, level: Tensor, text: Tensor) -> Tensor:
        """The network's output, whatever it predicts."""
        return cast("Tensor", self.network(sample, level, text, return_dict=False)[0])


class GuidedUNet(UNet):
    """A U-Net that is shown the embedded guidance scale (LCM: Luo et al. 2023, section 4.3)."""

    def forward(self, sample: Tensor, level: Tensor, text: Tensor, guidance: Tensor) -> Tensor:  # type: ignore[override]  # one input more
        """The network's output, guided already."""
        return cast("Tensor", self.network(sample, level, text, timestep_cond=guidance, return_dict=False)[0])


class TextEncoder(nn.Module):
    """Tokens to the last hidden state, after the final layer norm."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        """Conditioning `[B, tokens, width]`."""
        return cast("Tensor", self.network(tokens, return_dict=False)[0])


class Decoder(nn.Module):
    """Latents as the sampler sees them to pixels in [-1, 1]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        config = network.config
        deviation, mean = (_channels(config.get(key)) for key in ("latents_std", "latents_mean"))
        self.register_buffer("scale", (1.0 if deviation is None else deviation) / torch.tensor(config.scaling_factor))
        self.register_buffer("shift", torch.tensor(config.get("shift_factor") or 0.0) if mean is None else mean)

    def forward(self, sample: Tensor) -> Tensor:
        """Undo the latents' scaling, then decode."""
        pixels = self.network.decode(sample * self.scale + self.shift, return_dict=False)[0]
        return cast("Tensor", pixels.clamp(-1.0, 1.0))


def load(model: Model, component: Component) -> nn.Module:
    """The module of one network, in evaluation mode, its weights in float32; missing weights are refused."""
    part = model.component(component)
    with quiet():
        if component == "text_encoder":
            return TextEncoder(_read(transformers.CLIPTextModel, part=part, dtype_key="dtype")).eval()
        if component == "decoder":
            return Decoder(_read(diffusers.AutoencoderKL, part=part, dtype_key="torch_dtype")).eval()
        unet = _read_unet(part)
        return (UNet(unet) if model.guidance_width is None else GuidedUNet(unet)).eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Without the frameworks' progress bars and advice: the build reports its own progress."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers.utils.logging.is_progress_bar_enabled()
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        transformers.utils.logging.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers.utils.logging.enable_progress_bar()


def _channels(values: list[float] | None) -> Tensor | None:
    return None if values is None else torch.tensor(values).view(1, -1, 1, 1)


def _read(architecture: Any, *, part: Part, dtype_key: str) -> Any:
    """`from_pretrained` of local safetensors; `dtype_key` is what the library calls its precision argument."""
    options: dict[str, Any] = {dtype_key: torch.float32, "variant": part.variant}
    if dtype_key == "torch_dtype":
        options["low_cpu_mem_usage"] = False  # otherwise diffusers advises installing accelerate
    try:
        network, found = architecture.from_pretrained(
            str(part.folder), local_files_only=True, use_safetensors=True, output_loading_info=True, **options
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"`{part.folder}` cannot be loaded: {error}.") from error
    _require_all(found["missing_keys"], part=part)
    return network.float()


def _read_unet(part: Part) -> Any:
    if not widths.has_own_widths(part.config):
        return _read(diffusers.UNet2DConditionModel, part=part, dtype_key="torch_dtype")
    unet = widths.build(diffusers.UNet2DConditionModel, part.config)
    _require_all(widths.load(unet, _tensors(part)), part=part)
    return unet.float()


def _tensors(part: Part) -> dict[str, Tensor]:
    """All weights by name; headers were checked for their files' sizes only."""
    found: dict[str, Tensor] = {}
    for path in part.weights:
        try:
            found |= safetensors.torch.load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"`{path}` cannot be loaded: {error}. Fetch it again.") from error
    return found


def _require_all(missing: Iterable[str], *, part: Part) -> None:
    names = sorted(missing)
    if names:
        named = ", ".join(f"`{key}`" for key in names[:3])
        raise ModelError(f"`{part.folder}` lacks {len(names)} of its weights, such as {named}. Fetch it again.")
