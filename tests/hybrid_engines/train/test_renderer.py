import numpy as np
import pytest

from hybrid_engines.train import renderer, scenes

STILL = renderer.Jitter(shift=0, scale=0)


def a_row(*, shape: str = "circle", layout: int = 0, background: str = "white") -> scenes.Labels:
    first = (scenes.COLORS.index("red"), scenes.SHAPES.index(shape))
    second = (
        (scenes.COLORS.index("blue"), scenes.SHAPES.index("square"))
        if layout
        else (len(scenes.COLORS), len(scenes.SHAPES))
    )
    return np.array([[scenes.BACKGROUNDS.index(background), layout, *first, *second]])


def drawn(rows: scenes.Labels, *, seed: int = 0, jitter: renderer.Jitter = STILL) -> renderer.Pixels:
    return renderer.render(rows, rng=np.random.default_rng(seed), jitter=jitter)


def test_the_same_seed_draws_the_same_pixels_and_another_does_not() -> None:
    rows = a_row(layout=1)
    jitter = renderer.Jitter()
    assert np.array_equal(drawn(rows, seed=3, jitter=jitter), drawn(rows, seed=3, jitter=jitter))
    assert not np.array_equal(drawn(rows, seed=3, jitter=jitter), drawn(rows, seed=4, jitter=jitter))


def test_pixels_are_colors_between_zero_and_one() -> None:
    every = scenes.all_scenes()
    pixels = drawn(every[::50], jitter=renderer.Jitter())
    assert pixels.dtype == np.float32
    assert pixels.shape[1:] == (3, 64, 64)
    assert pixels.min() >= 0
    assert pixels.max() <= 1


@pytest.mark.parametrize(("layout", "red", "blue"), [(1, (16, 31), (46, 31)), (2, (31, 16), (31, 46))])
def test_the_first_object_is_above_or_left_of_the_second(
    layout: int, red: tuple[int, int], blue: tuple[int, int]
) -> None:
    picture = drawn(a_row(layout=layout))[0]
    assert picture[:, *red].argmax() == 0
    assert picture[:, *blue].argmax() == 2


@pytest.mark.parametrize("shape", scenes.SHAPES)
def test_every_shape_keeps_clear_of_the_border_and_of_its_neighbor(shape: str) -> None:
    widest = renderer.Jitter()
    for layout in (0, 1, 2):
        rows = np.repeat(a_row(shape=shape, layout=layout), 64, axis=0)
        pictures = drawn(rows, jitter=widest)
        background = pictures[:, :, 0, 0]
        border = np.concatenate(
            [pictures[:, :, 0], pictures[:, :, -1], pictures[:, :, :, 0], pictures[:, :, :, -1]], axis=-1
        )
        assert np.allclose(border, background[:, :, None], atol=1e-6)


def test_shapes_differ_from_each_other_by_a_tenth_of_their_area() -> None:
    pictures = np.concatenate([drawn(a_row(shape=shape)) for shape in scenes.SHAPES])
    masks = pictures[:, 1] < 0.5
    for i in range(len(masks)):
        for j in range(i):
            assert (masks[i] ^ masks[j]).sum() > 0.1 * masks[i].sum()


def test_a_ring_shows_the_background_in_its_middle_and_a_circle_does_not() -> None:
    assert drawn(a_row(shape="ring"))[0, 1, 31, 31] > 0.9
    assert drawn(a_row(shape="circle"))[0, 1, 31, 31] < 0.2
