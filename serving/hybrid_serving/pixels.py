"""From decoded arrays to the bytes of a picture.

Pure and deterministic: the same array gives the same file. No metadata is written, so that a picture tells nothing
about who asked for it.
"""

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

Pixels = NDArray[np.uint8]
"""`[height, width, 3]`, RGB."""
Format = Literal["png", "jpeg", "webp"]


class PixelsError(ValueError):
    """The array is not a picture."""


def to_pixels(decoded: NDArray[np.float32]) -> Pixels:
    """8-bit RGB of a decoder's output `[3, H, W]` in [-1, 1]; values outside are clipped."""
    if not np.isfinite(decoded).all():
        raise PixelsError("The decoded picture has values that are not finite; the network or its engine is broken.")
    unit = np.clip(decoded * np.float32(0.5) + np.float32(0.5), 0.0, 1.0)
    scaled: Pixels = np.rint(unit * np.float32(255.0)).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(1, 2, 0))


def preview(
    x0: NDArray[np.float32], *, matrix: NDArray[np.float32], bias: NDArray[np.float32], size: tuple[int, int]
) -> Pixels:
    """A picture of `size` (width, height) from a latent estimate `[C, h, w]` by the pair's linear map `[3, C]`."""
    colours = (matrix[:, :, np.newaxis, np.newaxis] * x0).sum(axis=1) + bias[:, np.newaxis, np.newaxis]
    small = Picture.fromarray(to_pixels(colours.astype(np.float32)))
    return np.asarray(small.resize(size, Picture.Resampling.BICUBIC))


def encode(pixels: Pixels, *, format: Format = "png", compression: int = 100) -> bytes:  # noqa: A002 (OpenAI's word)
    """The file of a picture; `compression` is the quality 0 to 100 of jpeg and webp, png is always lossless."""
    file = io.BytesIO()
    picture = Picture.fromarray(pixels)
    if format == "png":
        picture.save(file, format="PNG", compress_level=6)
    elif format == "jpeg":
        picture.save(file, format="JPEG", quality=compression, subsampling=0 if compression >= 90 else 2)
    else:
        picture.save(file, format="WEBP", quality=compression, method=4)
    return file.getvalue()
