"""`pair.json`: which folders belong together, and what was fitted or measured for them. It must not open networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid_engines.parts import ModelError, read_json

FORMAT = 1


class Preview(NamedTuple):
    """The fitted linear map from a latent pixel to RGB (0 to 1): `matrix @ latent + bias`."""

    matrix: NDArray[np.float32]
    """`[3, latent channels]`."""
    bias: NDArray[np.float32]
    """`[3]`."""


@dataclass(frozen=True, slots=True)
class PairFile:
    """The contents of one `pair.json`."""

    name: str
    models: tuple[str, ...]
    """Folder names in denoising order; the first supplies text encoder, decoder and tokenizer."""
    preview: Preview | None
    quality: Mapping[str, Any] | None
    """The measured quality curve, as published by whoever measured it."""


def find(folder: Path) -> PairFile | None:
    """The pair that the model in `folder` belongs to, if a `pair.json` beside it lists it."""
    path = folder.parent / "pair.json"
    if not path.is_file():
        return None
    pair = read(path)
    return pair if folder.name in pair.models else None


def read(path: Path) -> PairFile:
    """Parse a `pair.json`."""
    document = read_json(path)
    if document.get("format") != FORMAT:
        raise ModelError(f"`{path}` has format {document.get('format')!r}, this release reads {FORMAT}.")
    try:
        return PairFile(
            name=str(document["name"]),
            models=tuple(map(str, document["models"])),
            preview=_preview(document["preview"]) if "preview" in document else None,
            quality=document.get("quality"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"`{path}` is incomplete: {error!r}. Expected `name`, `models` and `preview`.") from error


def _preview(document: Mapping[str, Any]) -> Preview:
    matrix, bias = (np.asarray(document[key], dtype=np.float32) for key in ("matrix", "bias"))
    if matrix.ndim != 2 or matrix.shape[0] != 3 or bias.shape != (3,):
        raise ValueError(f"preview of shapes {matrix.shape} and {bias.shape}, expected (3, channels) and (3,)")
    return Preview(matrix, bias)
