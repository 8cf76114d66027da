import hashlib
import json

import numpy as np
import pytest

from hybrid_engines.train import scenes
from hybrid_engines.train.scenes import Item, Scene

# Quality figures of different days are comparable only if they are measured on the same prompts.
HELD_OUT_DIGEST = "d0a2c879589f0971837843206d9224cca3abe4442a303ea745dc1a4593a91e9a"


def a_scene(layout: scenes.Layout = "vertical") -> Scene:
    second = None if layout == "single" else Item(color="blue", shape="square")
    return Scene("white", layout, Item(color="red", shape="circle"), second)


def test_every_scene_survives_encoding_and_decoding() -> None:
    every = scenes.all_scenes()
    for row in every[:: len(every) // 200]:
        assert scenes.encode(scenes.decode(row)) == tuple(row)


def test_there_are_144_single_scenes_and_none_with_two_equal_objects() -> None:
    every = scenes.all_scenes()
    assert (every[:, 1] == 0).sum() == 144
    two = every[every[:, 1] > 0]
    assert not ((two[:, 2] == two[:, 4]) & (two[:, 3] == two[:, 5])).any()
    assert len(np.unique(every, axis=0)) == len(every)


@pytest.mark.parametrize(
    ("layout", "template", "words"),
    [
        ("vertical", 0, "a red circle above a blue square"),
        ("vertical", 1, "a blue square below a red circle"),
        ("horizontal", 0, "a red circle left of a blue square"),
        ("horizontal", 3, "a blue square to the right of a red circle"),
        ("single", 0, "a red circle"),
    ],
)
def test_captions_swap_their_objects_with_the_direction(layout: scenes.Layout, template: int, words: str) -> None:
    assert scenes.caption(a_scene(layout), template=template, framing=None) == words


def test_a_framing_names_the_background_and_its_absence_does_not() -> None:
    assert scenes.caption(a_scene(), template=0, framing=0) == "a red circle above a blue square on a white background"
    assert "white" not in scenes.caption(a_scene(), template=0, framing=None)


def test_different_scenes_never_share_a_caption() -> None:
    every = scenes.all_scenes()
    told = {}
    for row in every[every[:, 0] == 0]:
        scene = scenes.decode(row)
        for template in range(5):
            told.setdefault(scenes.caption(scene, template=template, framing=None), set()).add(scene)
    assert all(len(meant) == 1 for meant in told.values())


def test_every_caption_fits_and_uses_only_known_words() -> None:
    known = set(scenes.vocabulary())
    for prompt in scenes.held_out_prompts():
        words = prompt.caption.split()
        assert set(words) <= known
        assert len(words) <= scenes.LONGEST_CAPTION < scenes.CONTEXT - 2


def test_held_out_scenes_are_24_singles_and_a_tenth_of_the_rest() -> None:
    every = scenes.all_scenes()
    kept = scenes.held_out(every)
    single = every[:, 1] == 0
    assert (kept & single).sum() == scenes.HELD_OUT_SINGLES
    assert 0.08 < kept[~single].mean() < 0.12


def test_an_arrangement_is_held_out_on_all_backgrounds_or_on_none() -> None:
    every = scenes.all_scenes()
    two = every[every[:, 1] > 0]
    kept = {tuple(row[1:]) for row in two[scenes.held_out(two)].tolist()}
    trained = {tuple(row[1:]) for row in two[~scenes.held_out(two)].tolist()}
    assert not kept & trained


def test_every_held_out_prompt_asks_for_a_held_out_scene() -> None:
    every = scenes.all_scenes()
    kept = {tuple(row) for row in every[scenes.held_out(every)].tolist()}
    prompts = scenes.held_out_prompts()
    assert len(prompts) >= 1000
    assert all(scenes.encode(prompt.scene) in kept for prompt in prompts)
    assert all(prompt.names_background for prompt in prompts if prompt.scene.layout == "single")


def test_the_held_out_prompts_have_not_changed() -> None:
    told = [(p.caption, scenes.encode(p.scene), p.names_background, p.seed) for p in scenes.held_out_prompts()]
    assert hashlib.sha256(json.dumps(told).encode()).hexdigest() == HELD_OUT_DIGEST
