"""Arrays become pictures: clipped, rounded as diffusers rounds, and the same file every time."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as Picture

from hybrid_serving import pixels

decoded = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=5).map(lambda size: (3, *size)),
    elements=st.floats(-4, 4, width=32),
)


def a_picture(size: int = 64) -> pixels.Pixels:
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    return pixels.to_pixels(np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[:, None] * ramp)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_picture_is_refused_rather_than_shown(value: float) -> None:
    broken = np.zeros((3, 2, 2), np.float32)
    broken[1, 0, 1] = value
    with pytest.raises(pixels.PixelsError, match="not finite"):
        pixels.to_pixels(broken)


@pytest.mark.parametrize(("value", "expected"), [(-9.0, 0), (-1.0, 0), (0.0, 128), (0.5, 191), (1.0, 255), (9.0, 255)])
def test_the_range_of_the_decoder_is_the_range_of_a_byte(value: float, expected: int) -> None:
    assert (pixels.to_pixels(np.full((3, 2, 2), value, np.float32)) == expected).all()


@given(decoded)
def test_pixels_are_rounded_as_diffusers_rounds_them(array: np.ndarray) -> None:
    expected = (np.clip(array / 2 + 0.5, 0, 1).transpose(1, 2, 0) * 255).round().astype("uint8")
    shown = pixels.to_pixels(array)
    assert shown.flags.c_contiguous
    np.testing.assert_array_equal(shown, expected)


def test_a_preview_is_the_linear_map_of_the_latent_at_the_asked_size() -> None:
    matrix = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    latent = np.stack([np.full((4, 4), 1.0), np.full((4, 4), -1.0)]).astype(np.float32)
    shown = pixels.preview(latent, matrix=matrix, bias=np.array([0, 0, 0.5], np.float32), size=(32, 16))
    assert shown.shape == (16, 32, 3)
    assert shown.dtype == np.uint8
    assert (shown == [255, 0, 191]).all()


def test_a_preview_keeps_left_and_right_and_above_and_below() -> None:
    latent = np.zeros((1, 2, 2), np.float32)
    latent[0, 0, 1] = 4.0  # above right
    ones = np.ones((3, 1), np.float32)
    shown = pixels.preview(latent, matrix=ones, bias=np.full(3, -1, np.float32), size=(8, 8))
    assert shown[0, -1].min() > 200
    assert shown[0, 0].max() < 30
    assert shown[-1, -1].max() < 30


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_same_picture_is_the_same_file_without_metadata(kind: pixels.Format) -> None:
    file = pixels.encode(a_picture(), format=kind, compression=80)
    assert file == pixels.encode(a_picture(), format=kind, compression=80)
    with Picture.open(io.BytesIO(file)) as picture:
        assert picture.format == kind.upper()
        assert picture.size == (64, 64)
        assert not picture.getexif()
        assert "comment" not in picture.info


def test_png_is_lossless_at_any_compression() -> None:
    for compression in (0, 50, 100):
        with Picture.open(io.BytesIO(pixels.encode(a_picture(), compression=compression))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), a_picture())


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_lower_quality_is_a_smaller_file_that_still_resembles_the_picture(kind: pixels.Format) -> None:
    small, large = (pixels.encode(a_picture(), format=kind, compression=quality) for quality in (30, 100))
    assert len(small) < len(large)
    with Picture.open(io.BytesIO(large)) as picture:
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - a_picture()).mean() < 4
