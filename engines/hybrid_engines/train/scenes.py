"""What the built-in pair can draw: scenes, their captions, and which of them no network may see in training.

Pure and seeded. A scene is one object, or two objects side by side or one above the other, on a plain background.
Captions say it in several ways, and two-object captions in both directions ("A above B" is "B below A"), so that the
order of words does not give the layout away. Knows nothing of pixels.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Layout: TypeAlias = Literal["single", "vertical", "horizontal"]
Labels: TypeAlias = NDArray[np.int64]
"""`[n, 6]`: background, layout, first color, first shape, second color, second shape; see `SIZES`."""

COLORS = ("red", "green", "blue", "yellow", "orange", "purple")
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
BACKGROUNDS = ("white", "black", "gray", "pink")
LAYOUTS: tuple[Layout, ...] = ("single", "vertical", "horizontal")
_ITEM_SIZES = (len(COLORS) + 1, len(SHAPES) + 1)
SIZES = (len(BACKGROUNDS) + 1, len(LAYOUTS) + 1, *_ITEM_SIZES, *_ITEM_SIZES)
"""Classes a slot: one more than the words; a caption may leave the background out, and a scene its second object."""

HELD_OUT_SINGLES = 24
"""Of the 144 (color, shape, background) triples."""
HELD_OUT_SHARE = 0.10
"""Of the arrangements of two objects, whatever their background."""
CONTEXT = 32
"""Tokens a prompt is padded to."""
LONGEST_CAPTION = 14
"""Words; every position from `LONGEST_CAPTION + 2` on is padding and so has read the whole caption."""


@dataclass(frozen=True, slots=True)
class Item:
    """A colored shape."""

    color: str
    shape: str

    @property
    def phrase(self) -> str:
        """With its article."""
        return f"{'an' if self.color[0] in 'aeiou' else 'a'} {self.color} {self.shape}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows."""

    background: str
    layout: Layout
    first: Item
    """The only object, or the upper, or the left one."""
    second: Item | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A caption to draw, the scene that it asks for, and the seed to draw it with."""

    caption: str
    scene: Scene
    names_background: bool
    seed: int


_SINGLE = ("{a}", "one {a_bare}", "there is {a}", "a picture of {a}")
_VERTICAL = ("{a} above {b}", "{b} below {a}", "{a} over {b}", "{b} under {a}", "{a} on top of {b}")
_HORIZONTAL = ("{a} left of {b}", "{b} right of {a}", "{a} to the left of {b}", "{b} to the right of {a}")
_WITH_BACKGROUND = (
    "{scene} on a {background} background",
    "on a {background} background {scene}",
    "{scene} on {background}",
)
_TEMPLATES: dict[Layout, tuple[str, ...]] = {"single": _SINGLE, "vertical": _VERTICAL, "horizontal": _HORIZONTAL}


def caption(scene: Scene, *, template: int, framing: int | None) -> str:
    """Words for a scene; `template` and `framing` choose among sentences, no framing leaves the background out."""
    choices = _TEMPLATES[scene.layout]
    words = choices[template % len(choices)].format(
        a=scene.first.phrase,
        a_bare=f"{scene.first.color} {scene.first.shape}",
        b=scene.second.phrase if scene.second else "",
    )
    if framing is None:
        return words
    return _WITH_BACKGROUND[framing % len(_WITH_BACKGROUND)].format(scene=words, background=scene.background)


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can hold, sorted."""
    templates = (*_SINGLE, *_VERTICAL, *_HORIZONTAL, *_WITH_BACKGROUND)
    plain = {word for t in templates for word in t.split() if "{" not in word}
    return tuple(sorted(plain | {"a", "an", "the", "and"} | set(COLORS) | set(SHAPES) | set(BACKGROUNDS)))


def encode(scene: Scene) -> tuple[int, int, int, int, int, int]:
    """One row of `Labels`; an absent second object is the class after the last word."""
    second = (
        (COLORS.index(scene.second.color), SHAPES.index(scene.second.shape))
        if scene.second
        else (len(COLORS), len(SHAPES))
    )
    first = (COLORS.index(scene.first.color), SHAPES.index(scene.first.shape))
    return (BACKGROUNDS.index(scene.background), LAYOUTS.index(scene.layout), *first, *second)


def decode(row: NDArray[np.int64]) -> Scene:
    """The inverse of `encode`."""
    background, layout, color, shape, color2, shape2 = (int(v) for v in row)
    second = None if layout == 0 else Item(color=COLORS[color2], shape=SHAPES[shape2])
    return Scene(BACKGROUNDS[background], LAYOUTS[layout], Item(color=COLORS[color], shape=SHAPES[shape]), second)


def _rank(key: str) -> str:
    return hashlib.sha256(f"hybrid-diffusion shapes v1 {key}".encode()).hexdigest()


def all_scenes() -> Labels:
    """Every scene there is, in a fixed order; two objects of a scene always differ."""
    grid = (
        np.indices((len(BACKGROUNDS), len(LAYOUTS), len(COLORS), len(SHAPES), len(COLORS) + 1, len(SHAPES) + 1))
        .reshape(6, -1)
        .T
    )
    absent = (grid[:, 4] == len(COLORS)) & (grid[:, 5] == len(SHAPES))
    present = (grid[:, 4] < len(COLORS)) & (grid[:, 5] < len(SHAPES))
    differ = (grid[:, 2] != grid[:, 4]) | (grid[:, 3] != grid[:, 5])
    keep = np.where(grid[:, 1] == 0, absent, present & differ)
    return np.ascontiguousarray(grid[keep]).astype(np.int64)


def held_out(labels: Labels) -> NDArray[np.bool_]:
    """True where a scene is kept from training. A hash decides, so that no run and no tuning can move the line."""
    singles = {tuple(r) for r in labels[labels[:, 1] == 0][:, [0, 2, 3]].tolist()}
    chosen = set(sorted(singles, key=lambda r: _rank(f"single {r}"))[:HELD_OUT_SINGLES])
    pairs = {tuple(r) for r in labels[labels[:, 1] > 0][:, 1:].tolist()}
    threshold = format(int(HELD_OUT_SHARE * 16**8), "08x")
    arranged = {r for r in pairs if _rank(f"two {r}") < threshold}
    rows = labels.tolist()
    return np.array(
        [(r[0], r[2], r[3]) in chosen if r[1] == 0 else tuple(r[1:]) in arranged for r in rows], dtype=np.bool_
    )


def draw_prompts(scenes: Labels, *, singles: int, twos: int, seed: int) -> list[Prompt]:
    """Captions and seeds for `singles` scenes of one object and `twos` of two, in turn over `scenes`."""
    rng = np.random.default_rng(seed)
    prompts = []
    for rows, count in ((scenes[scenes[:, 1] == 0], singles), (scenes[scenes[:, 1] > 0], twos)):
        order = np.concatenate([rng.permutation(len(rows)) for _ in range(-(-count // len(rows)))])[:count]
        for index in order:
            scene = decode(rows[index])
            framing = int(rng.integers(4))
            names_background = scene.second is None or framing < 3
            words = caption(scene, template=int(rng.integers(60)), framing=framing if names_background else None)
            prompts.append(
                Prompt(caption=words, scene=scene, names_background=names_background, seed=int(rng.integers(2**31)))
            )
    return prompts


def held_out_prompts() -> list[Prompt]:
    """The prompts that every quality figure is measured on: all held out, fixed before any tuning."""
    scenes = all_scenes()
    return draw_prompts(scenes[held_out(scenes)], singles=480, twos=720, seed=2026)
