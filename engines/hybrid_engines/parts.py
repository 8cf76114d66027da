"""One network's folder of a diffusers-layout checkpoint: its configuration and where its weights are.

Reads JSON and the headers of safetensors files only. It must not load weights or import a framework.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER_LIMIT_BYTES = 100 * 2**20
"""The safetensors format's own bound of a header."""

ASSUMED: Mapping[str, Mapping[str, Any]] = {
    "UNet2DConditionModel": {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (320, 640, 1280, 1280),
        "cross_attention_dim": 1280,
    },
    "AutoencoderKL": {"latent_channels": 4, "block_out_channels": (64,), "scaling_factor": 0.18215},
    "CLIPTextModel": {"vocab_size": 49408, "hidden_size": 512, "max_position_embeddings": 77},
}
"""What diffusers and transformers assume by architecture; the VAE of Stable Diffusion 1.4 names no scaling factor."""


class ModelError(Exception):
    """A checkpoint that cannot be used; the message says what was found, what was expected and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A network (or another component) of a checkpoint."""

    folder: Path
    architecture: str
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    variant: str | None
    """Infix of the weights' file names, such as `fp16`."""

    def setting(self, key: str) -> Any:
        """A value of the configuration, or what its library assumes where the file is silent."""
        found = self.config.get(key)
        return ASSUMED[self.architecture].get(key) if found is None else found


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or a sentence saying what is wrong with it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"`{path}` is missing; a checkpoint in diffusers layout has it (`save_pretrained` writes it)."
        raise ModelError(message) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"`{path}` cannot be read as JSON: {error}.") from error
    if not isinstance(document, dict):
        raise ModelError(f"`{path}` holds a {type(document).__name__}, expected a JSON object.")
    return document


def read_part(folder: Path, *, architecture: str) -> Part:
    """The network in `folder`, which must be of the class `architecture` and have complete safetensors files."""
    config = read_json(folder / "config.json")
    found = config.get("_class_name") or next(iter(config.get("architectures") or ()), None)
    if found != architecture:
        raise ModelError(f"`{folder}` holds a `{found}`, expected a `{architecture}`.")
    weights, variant = _weights(folder)
    for path in weights:
        _check_header(path)
    return Part(folder=folder, architecture=architecture, config=config, weights=weights, variant=variant)


def _weights(folder: Path) -> tuple[tuple[Path, ...], str | None]:
    """The weight files and their variant; full names come before variants, single files before shards."""
    for stem in ("diffusion_pytorch_model", "model"):
        for variant in (None, "fp16"):
            infix = f".{variant}" if variant else ""
            single = folder / f"{stem}{infix}.safetensors"
            if single.is_file():
                return (single,), variant
            index = folder / f"{stem}.safetensors.index{infix}.json"
            if index.is_file():
                return tuple(folder / shard for shard in _shards(index)), variant
    raise ModelError(
        f"`{folder}` has no weights as safetensors; convert them with `save_pretrained(..., safe_serialization=True)`."
    )


def _shards(index: Path) -> list[str]:
    """The names of the files that an index spreads the weights over."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(shard, str) for shard in places.values()):
        raise ModelError(f"`{index}` names no weights, expected a `weight_map` of names to files. Fetch it again.")
    return sorted(set(places.values()))


def _check_header(path: Path) -> None:
    """Refuse a file whose size is not the one that its header promises."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= min(HEADER_LIMIT_BYTES, size) else None
    except (OSError, ValueError) as error:
        raise ModelError(f"`{path}` is no readable safetensors file: {error}. Fetch it again.") from error
    if not isinstance(header, dict):
        raise ModelError(f"`{path}` is no safetensors file: its header does not fit into it. Fetch it again.")
    ends = [_end(entry, name=name, path=path) for name, entry in header.items() if name != "__metadata__"]
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise ModelError(f"`{path}` has {size} bytes, its header promises {expected}. Fetch it again.")


def _end(entry: object, *, name: str, path: Path) -> int:
    """Where the bytes of one tensor end, by its entry in the header."""
    match entry:
        case {"data_offsets": [int(), int(end)]}:
            return end
    raise ModelError(
        f"`{path}` is no safetensors file: its header gives `{name}` no `data_offsets`, expected begin and end. "
        f"Fetch it again."
    )
