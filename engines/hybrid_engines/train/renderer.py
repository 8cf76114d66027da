"""Draws scenes: flat shapes, anti-aliased, from signed distances. Pure numpy; the same seed gives the same pixels.

Every outline is a signed distance in pixels, and coverage is that distance clipped to one pixel: close enough for
straight edges, and a sixteenth of the work of supersampling.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid_engines.train.scenes import BACKGROUNDS, COLORS, SHAPES, Labels

Pixels: TypeAlias = NDArray[np.float32]
"""`[n, 3, 64, 64]`, 0 to 1."""

SIZE = 64
_COLOR_RGB = {
    "red": (222, 28, 36),
    "green": (28, 158, 60),
    "blue": (28, 72, 224),
    "yellow": (250, 220, 24),
    "orange": (248, 132, 16),
    "purple": (132, 32, 168),
}
_BACKGROUND_RGB = {"white": (250, 250, 250), "black": (14, 14, 14), "gray": (136, 136, 136), "pink": (255, 192, 210)}
_COLOR_TABLE = np.array([_COLOR_RGB[c] for c in COLORS], dtype=np.float32) / 255
_BACKGROUND_TABLE = np.array([_BACKGROUND_RGB[b] for b in BACKGROUNDS], dtype=np.float32) / 255


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far a drawn scene strays from the canonical one."""

    shift: float = 1.5
    """Pixels, each way, in x and y."""
    scale: float = 0.10
    """Share of the radius, each way."""


_SINGLE_RADIUS = 18.0
_TWO_RADIUS = 11.0
_NEAR, _MIDDLE, _FAR = 16.5, 31.5, 46.5


def _circle(x: Pixels, y: Pixels, r: Pixels) -> Pixels:
    distance: Pixels = np.hypot(x, y) - r
    return distance


def _square(x: Pixels, y: Pixels, r: Pixels) -> Pixels:
    distance: Pixels = np.maximum(np.abs(x), np.abs(y)) - 0.9 * r
    return distance


def _triangle(x: Pixels, y: Pixels, r: Pixels) -> Pixels:
    y = y - 0.2 * r
    side = np.float32(np.sqrt(3) / 2) * np.abs(x) - 0.5 * y
    distance: Pixels = np.maximum(side, y) - 0.62 * r
    return distance


def _star(x: Pixels, y: Pixels, r: Pixels) -> Pixels:
    """Five points: fold the plane into one half-sector, where the outline is one straight line from tip to notch."""
    sector = 2 * np.pi / 5
    angle = np.arctan2(x, -y)
    folded = np.abs(angle - sector * np.round(angle / sector))
    length = np.hypot(x, y)
    u, v = length * np.cos(folded), length * np.sin(folded)
    outer, inner = 1.18, 0.50
    notch = (inner * np.cos(sector / 2), inner * np.sin(sector / 2))
    normal = np.array([notch[1], outer - notch[0]], dtype=np.float32)
    normal /= np.linalg.norm(normal)
    distance: Pixels = (u - outer * r) * normal[0] + v * normal[1]
    return distance


def _cross(x: Pixels, y: Pixels, r: Pixels) -> Pixels:
    x, y = np.abs(x), np.abs(y)
    arm, width = 1.08 * r, 0.34 * r
    distance: Pixels = np.minimum(np.maximum(x - arm, y - width), np.maximum(x - width, y - arm))
    return distance


def _ring(x: Pixels, y: Pixels, r: Pixels) -> Pixels:
    distance: Pixels = np.abs(np.hypot(x, y) - 0.79 * r) - 0.23 * r
    return distance


_OUTLINES = {"circle": _circle, "square": _square, "triangle": _triangle, "star": _star, "cross": _cross, "ring": _ring}


def _coverage(shape: NDArray[np.int64], *, center: Pixels, radius: Pixels) -> Pixels:
    rows, columns = np.indices((SIZE, SIZE), dtype=np.float32)
    out = np.empty((len(shape), SIZE, SIZE), dtype=np.float32)
    for index, name in enumerate(SHAPES):
        of = shape == index
        x = columns - center[of, 0, None, None]
        y = rows - center[of, 1, None, None]
        out[of] = np.clip(0.5 - _OUTLINES[name](x, y, radius[of, None, None]), 0, 1)
    return out


def _paint(canvas: Pixels, *, color: NDArray[np.int64], coverage: Pixels) -> Pixels:
    mask = coverage[:, None]
    return (canvas * (1 - mask) + _COLOR_TABLE[color][:, :, None, None] * mask).astype(np.float32, copy=False)


def render(labels: Labels, *, rng: np.random.Generator, jitter: Jitter | None = None) -> Pixels:
    """Pictures of scenes, each strayed from its canonical place and size by its own draw."""
    jitter = jitter or Jitter()
    n = len(labels)
    background, layout, *objects = labels.T
    canvas = np.broadcast_to(_BACKGROUND_TABLE[background][:, :, None, None], (n, 3, SIZE, SIZE)).astype(np.float32)
    shift = rng.uniform(-jitter.shift, jitter.shift, (2, n, 2)).astype(np.float32)
    scale = 1 + rng.uniform(-jitter.scale, jitter.scale, (2, n)).astype(np.float32)
    for slot, (color, shape) in enumerate((objects[:2], objects[2:])):
        present = (layout > 0) | (slot == 0)
        single = layout[present] == 0
        place = np.where(single, _MIDDLE, _FAR if slot else _NEAR)
        center = np.stack(
            [np.where(layout[present] == 2, place, _MIDDLE), np.where(layout[present] == 1, place, _MIDDLE)], axis=1
        )
        radius = np.where(single, _SINGLE_RADIUS, _TWO_RADIUS) * scale[slot, present]
        shape_, color_ = shape[present], color[present]
        mask = _coverage(
            shape_, center=(center + shift[slot, present]).astype(np.float32), radius=radius.astype(np.float32)
        )
        canvas[present] = _paint(canvas[present], color=color_, coverage=mask)
    return canvas
