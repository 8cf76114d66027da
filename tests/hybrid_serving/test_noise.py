"""Noise is Philox turned into normals: published answers, statistics, independence and the whole range of seeds."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving import noise

ONES = 0xFFFFFFFF
SHAPE = (16, 8, 8)
seeds = st.integers(0, 2**64 - 1)
words32 = st.integers(0, 2**32 - 1)


def normals(seed: int = 7, **coordinates: object) -> np.ndarray:
    return noise.normals(seed, **{"image": 0, "step": 0, "shape": SHAPE} | coordinates)


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("seed", 2**64), ("image", -1), ("image", 2**32), ("step", 2**32), ("stream", -1)],
)
def test_a_coordinate_outside_its_counter_is_refused_by_name(name: str, value: int) -> None:
    coordinates = {"seed": 7} | {name: value}
    with pytest.raises(noise.NoiseError, match=f"`{name}` is {value}"):
        normals(**coordinates)


@pytest.mark.parametrize(
    ("counter", "seed", "answer"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES, ONES, ONES), 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0_A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_answers_published_with_random123(
    counter: tuple[int, int, int, int], seed: int, answer: tuple[int, ...]
) -> None:
    first, step, image, stream = counter
    words = noise.philox([noise.Place(seed, image, step, stream)], blocks=1, first=first)
    assert tuple(words[0, 0].tolist()) == answer


places = st.builds(noise.Place, seeds, words32, words32, words32)


@given(rows=st.lists(places, min_size=1, max_size=4), first=st.integers(0, 2**32 - 9))
def test_philox_agrees_with_its_definition_in_plain_integers(rows: list[noise.Place], first: int) -> None:
    words = noise.philox(rows, blocks=8, first=first)
    assert words.tolist() == [[plain_philox(place, first + block) for block in range(8)] for place in rows]


def plain_philox(place: noise.Place, block: int) -> list[int]:
    a, b, c, d = block, place.step, place.image, place.stream
    low, high = place.seed & ONES, place.seed >> 32
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ low, right & ONES, (left >> 32) ^ d ^ high, left & ONES
        low, high = (low + 0x9E3779B9) & ONES, (high + 0xBB67AE85) & ONES
    return [a, b, c, d]


@given(st.lists(words32, min_size=1, max_size=64))
def test_the_inverse_cdf_is_that_of_the_standard_library_to_the_last_bits(words: list[int]) -> None:
    normal = statistics.NormalDist()
    expected = [normal.inv_cdf((2 * word + 1) / 2**33) for word in words]
    np.testing.assert_allclose(noise.inverse_cdf(np.array(words, np.uint64)), expected, rtol=2e-15, atol=1e-16)


@pytest.mark.parametrize("word", [0, 1, 2, 1000, 2**24, 2**29, 2**31 - 2**20, 2**31 - 1])
def test_the_inverse_cdf_inverts_the_error_function(word: int) -> None:
    (below,) = noise.inverse_cdf(np.array([word], np.uint64))
    assert 0.5 * math.erfc(-below / math.sqrt(2)) == pytest.approx((2 * word + 1) / 2**33, rel=1e-13)


@given(words32)
def test_the_inverse_cdf_is_odd(word: int) -> None:
    low, high = noise.inverse_cdf(np.array([word, ONES - word], np.uint64))
    assert low == -high


def test_the_inverse_cdf_never_falls_where_its_two_formulas_meet() -> None:
    edge = int(0.075 * 2**32)
    quantiles = noise.inverse_cdf(np.arange(edge - 5000, edge + 5000, dtype=np.uint64))
    assert (np.diff(quantiles) > 0).all()


def test_the_last_bit_of_the_logarithm_is_right_almost_everywhere() -> None:
    values = (2 * np.random.default_rng(1).integers(0, 2**28, 20_000) + 1) / 2**33
    expected = np.array([-math.log(value) for value in values.tolist()])
    error = np.abs(noise._minus_log(values) - expected) / expected
    assert error.max() < 5e-16


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**63, 2**64 - 1])
def test_normals_are_standard(seed: int) -> None:
    values = normals(seed, shape=(64, 64, 64)).astype(np.float64).ravel()
    count = values.size
    assert abs(values.mean()) < 4 / math.sqrt(count)
    assert abs(values.var() - 1) < 4 * math.sqrt(2 / count)
    assert abs((values**3).mean()) < 4 * math.sqrt(15 / count)
    assert abs((values**4).mean() - 3) < 4 * math.sqrt(96 / count)
    assert kolmogorov_distance(values) < 1.95 / math.sqrt(count)  # p = 0.001


def kolmogorov_distance(values: np.ndarray) -> float:
    cdf = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in np.sort(values).tolist()])
    grid = np.arange(values.size + 1) / values.size
    return float(max(np.abs(cdf - grid[:-1]).max(), np.abs(cdf - grid[1:]).max()))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 64])
def test_neighbouring_elements_are_uncorrelated(lag: int) -> None:
    values = normals(shape=(1, 256, 256)).ravel()
    assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 4 / math.sqrt(values.size)


@pytest.mark.parametrize("other", [{"seed": 8}, {"seed": 7 + 2**32}, {"image": 1}, {"step": 1}, {"stream": 1}])
def test_every_coordinate_gives_noise_of_its_own(other: dict[str, int]) -> None:
    one, two = normals(shape=(4, 64, 64)), normals(**{"shape": (4, 64, 64)} | other)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4 / math.sqrt(one.size)


@given(seed=seeds, image=words32, step=words32, stream=words32)
def test_any_coordinate_gives_finite_float32(seed: int, image: int, step: int, stream: int) -> None:
    values = noise.normals(seed, image=image, step=step, stream=stream, shape=(3, 5))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 6.4


@given(count=st.integers(0, 64), seed=seeds)
def test_an_element_depends_on_its_index_and_not_on_the_size(count: int, seed: int) -> None:
    whole = normals(seed, shape=(64,))
    assert normals(seed, shape=(count,)).tobytes() == whole[:count].tobytes()


@given(st.lists(places, min_size=1, max_size=4))
def test_rows_drawn_together_have_the_bits_of_rows_drawn_alone(rows: list[noise.Place]) -> None:
    together = noise.normals_rows(rows, shape=(3, 5))
    alone = [
        noise.normals(place.seed, image=place.image, step=place.step, stream=place.stream, shape=(3, 5))
        for place in rows
    ]
    assert together.tobytes() == np.stack(alone).tobytes()


def test_the_shape_only_arranges_the_elements() -> None:
    assert normals(shape=(16, 8, 8)).tobytes() == normals(shape=(1024,)).tobytes()
