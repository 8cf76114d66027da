"""A checkpoint in diffusers layout, read without any framework: what is in it, its shapes and its digests.

Only JSON files and safetensors headers are read; loading weights is `networks`' business, at build time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from hybrid_engines import digests, hub, pair_file
from hybrid_engines.location import cache_folder
from hybrid_engines.pair_file import Preview
from hybrid_engines.parts import ModelError, Part, read_json, read_part
from hybrid_engines.signature import Port, Role, Signature

__all__ = ["Component", "Model", "ModelError", "Size", "open_model"]

Component = Literal["unet", "text_encoder", "decoder"]
"""The networks that become engines."""

Size = tuple[int, int]
"""Width and height of the picture in pixels."""

BUILTIN = Path(__file__).resolve().parent / "builtin"
LORA = "pytorch_lora_weights.safetensors"
"""What diffusers calls the weights of a LoRA, which has no network of its own."""
UNFED = {
    "class_embed_type": (),
    "num_class_embeds": (),
    "encoder_hid_dim_type": (),
    "addition_embed_type": ("text",),  # pools what the network is fed anyway
}
"""What gives a U-Net of diffusers an input that no signature has, but for these values."""
ARCHITECTURES = {"unet": "UNet2DConditionModel", "text_encoder": "CLIPTextModel", "vae": "AutoencoderKL"}


@dataclass(frozen=True, slots=True)
class Model:
    """One segment's model; what its own folder lacks is the pair's first model's."""

    name: str
    uri: str
    supplier: str | None
    """Address of the model that was given to supply what the folder lacks."""
    unet: Part
    text_encoder: Part
    vae: Part
    schedule: Mapping[str, Any]
    """The contents of `scheduler_config.json`."""
    tokenizer: Path
    """The folder of the tokenizer's files."""
    preview: Preview | None
    curve: Mapping[str, Any] | None
    """The pair's measured quality over the split, as its `pair.json` has it."""

    @property
    def latent_channels(self) -> int:
        """Channels of the latents that U-Net and VAE share."""
        return int(self.unet.setting("in_channels"))

    @property
    def downscale(self) -> int:
        """Pixels a side of one latent pixel."""
        return int(2 ** (len(self.vae.setting("block_out_channels")) - 1))

    @property
    def scaling_factor(self) -> float:
        """What the VAE's latents are multiplied with for the sampler."""
        return float(self.vae.setting("scaling_factor"))

    @property
    def prediction_type(self) -> str:
        """What the U-Net was trained to output, in diffusers' words."""
        return str(self.schedule.get("prediction_type", "epsilon"))

    @property
    def max_tokens(self) -> int:
        """Length of the text encoder's input."""
        return int(self.text_encoder.setting("max_position_embeddings"))

    @property
    def text_width(self) -> int:
        """Width of one token's conditioning."""
        return int(self.text_encoder.setting("hidden_size"))

    @property
    def guidance_width(self) -> int | None:
        """Width of the embedded guidance scale (LCM), `None` where guidance takes two rows."""
        return self.unet.config.get("time_cond_proj_dim")

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Shape of the latent of a picture of `width` × `height` pixels."""
        multiple = self.downscale * 2 ** (len(self.unet.setting("block_out_channels")) - 1)
        if min(width, height) < multiple or width % multiple or height % multiple:
            raise ModelError(f"Size {width}x{height} does not fit `{self.name}`: use multiples of {multiple} pixels.")
        return self.latent_channels, height // self.downscale, width // self.downscale

    def component(self, component: str) -> Part:
        """The folder and configuration of `unet`, `text_encoder` or `decoder` (alias `vae`)."""
        parts = {"unet": self.unet, "text_encoder": self.text_encoder, "decoder": self.vae, "vae": self.vae}
        if component not in parts:
            raise ModelError(f"No component `{component}`; there are `unet`, `text_encoder` and `decoder`.")
        return parts[component]

    def digest(self, component: str) -> str:
        """Hex SHA-256 over weights and architecture of one network."""
        part = self.component(component)
        return digests.network_digest(part.config, part.weights, memory=cache_folder() / "digests")

    def signature(self, component: Component, *, size: Size) -> Signature:
        """The named arrays of one network at one picture size."""
        sample = Port("sample", Role.SAMPLE, "float32", self.latent_shape(*size))
        text = Port("text", Role.CONDITIONING, "float32", (self.max_tokens, self.text_width))
        if component == "text_encoder":
            tokens = Port("tokens", Role.TOKENS, "int64", (self.max_tokens,))
            return Signature("text-encoder", (tokens,), (Port("text", Role.OUTPUT, "float32", text.shape),))
        if component == "decoder":
            pixels = Port("output", Role.OUTPUT, "float32", (3, size[1], size[0]))
            return Signature("decoder", (sample,), (pixels,))
        level = Port("level", Role.LEVEL, "float32", ())
        output = Port("output", Role.OUTPUT, "float32", (int(self.unet.setting("out_channels")), *sample.shape[1:]))
        return Signature("unet", (sample, level, text, *self._guidance_ports()), (output,))

    def _guidance_ports(self) -> tuple[Port, ...]:
        width = self.guidance_width
        return (Port("guidance", Role.CONDITIONING, "float32", (width,)),) if width else ()


def open_model(uri: str, *, first: Model | None = None) -> Model:
    """Open `builtin://…`, `file:///…` or `hf://…@…`; `first` supplies what the folder and its pair lack."""
    folder = _folder(uri)
    pair = pair_file.find(folder)
    supplier = first.uri if first is not None else None
    if first is None and pair is not None and folder.name != pair.models[0]:
        first = open_model((folder.parent / pair.models[0]).as_uri())
    model = Model(
        name=f"{pair.name}/{folder.name}" if pair else folder.name,
        uri=uri,
        supplier=supplier,
        unet=read_part(folder / "unet", architecture=ARCHITECTURES["unet"]),
        text_encoder=_own(folder, "text_encoder") or _shared(first, folder=folder, what="text_encoder"),
        vae=_own(folder, "vae") or _shared(first, folder=folder, what="vae"),
        schedule=_schedule(folder, first=first),
        tokenizer=_tokenizer(folder, first=first),
        preview=pair.preview if pair else None,
        curve=pair.quality if pair else None,
    )
    _check(model)
    return model


def _folder(uri: str) -> Path:
    parsed = _parse(uri)
    path = unquote(parsed.path)
    if parsed.scheme == "hf":
        folder = hub.snapshot(uri)
    elif parsed.scheme == "builtin":
        folder = _builtin(uri, name=f"{parsed.netloc}{path}".strip("/"))
    elif parsed.scheme == "file" and parsed.netloc in {"", "localhost"}:
        folder = Path(path)
    else:
        raise _no_address(uri)
    has_unet = (folder / "unet").is_dir()
    if (folder.is_file() and folder.name == LORA) or (not has_unet and (folder / LORA).is_file()):
        raise ModelError(
            f"`{folder}` is a LoRA; load it into its model with diffusers, call `fuse_lora()`, and write the whole "
            f"pipeline with `save_pretrained()`."
        )
    if folder.is_file():
        raise ModelError(f"`{folder}` is a single file; convert it to a folder with diffusers' `save_pretrained`.")
    if not has_unet:
        raise ModelError(f"`{folder}` holds no model; expected a diffusers folder with `unet/` in it.")
    return folder


def _parse(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError as error:  # as of a bracket that nothing closes
        raise _no_address(uri) from error


def _no_address(uri: str) -> ModelError:
    return ModelError(
        f"`{uri}` is no model address; expected `builtin://pair/model`, `file:///absolute/folder` or "
        f"`hf://organization/repository@revision`."
    )


def _builtin(uri: str, *, name: str) -> Path:
    names = sorted(f"{p.parent.parent.name}/{p.parent.name}" for p in BUILTIN.glob("*/*/unet"))
    if name not in names:
        raise ModelError(f"There is no `{uri}`; built in: {', '.join(f'`builtin://{known}`' for known in names)}.")
    return BUILTIN / name


def _own(folder: Path, what: Literal["text_encoder", "vae"]) -> Part | None:
    return read_part(folder / what, architecture=ARCHITECTURES[what]) if (folder / what).is_dir() else None


def _shared(first: Model | None, *, folder: Path, what: Literal["text_encoder", "vae"]) -> Part:
    if first is None:
        raise ModelError(f"`{folder}` has no `{what}/`, and no first model supplies it; give a whole pipeline folder.")
    return first.component(what)


def _schedule(folder: Path, *, first: Model | None) -> Mapping[str, Any]:
    path = folder / "scheduler" / "scheduler_config.json"
    return first.schedule if first and not path.is_file() else read_json(path)


def _tokenizer(folder: Path, *, first: Model | None) -> Path:
    own = folder / "tokenizer"
    if (own / "tokenizer.json").is_file() or all((own / name).is_file() for name in ("vocab.json", "merges.txt")):
        return own
    if first is None:
        raise ModelError(f"`{own}` holds neither `tokenizer.json` nor `vocab.json` with `merges.txt`; fetch it again.")
    return first.tokenizer


def _check(model: Model) -> None:
    """What must hold inside one model; agreement between two is `pair`'s business."""
    for key, harmless in UNFED.items():
        if model.unet.config.get(key) not in (None, *harmless):
            raise ModelError(
                f"`{model.name}`: the U-Net has `{key}` {model.unet.config[key]!r}, an input that engines do not feed; "
                f"use a U-Net that takes sample, level and text."
            )
    channels, width = model.vae.setting("latent_channels"), model.unet.setting("cross_attention_dim")
    if channels != model.latent_channels:
        raise ModelError(f"`{model.name}`: the VAE has {channels} latent channels, the U-Net {model.latent_channels}.")
    if width != model.text_width:
        raise ModelError(f"`{model.name}`: the text encoder is {model.text_width} wide, the U-Net expects {width}.")
    if model.preview is not None and model.preview.matrix.shape[1] != channels:
        raise ModelError(
            f"`{model.name}`: the preview map has {model.preview.matrix.shape[1]} channels, not {channels}."
        )
