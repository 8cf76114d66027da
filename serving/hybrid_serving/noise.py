"""Gaussian noise as a pure function of (seed, image, step, element).

A counter-based generator (Philox 4x32-10; Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") feeds the
inverse normal distribution function (Wichura 1988, AS241). Both use only integer arithmetic and + - * / sqrt in
float64, so every language and instruction set gives the same bits. There is no generator state and no transcendental
function of a math library here, and there must never be.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Latent = NDArray[np.float32]
_Reals = NDArray[np.float64]
_Words = NDArray[np.uint64]

_WORD: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_MULTIPLIERS: Final = np.array([0xD2511F53, 0xCD9E8D57], dtype=np.uint64).reshape(2, 1, 1)
_WEYL: Final = np.array([0x9E3779B9, 0xBB67AE85], dtype=np.uint64).reshape(2, 1, 1)
_TURNS: Final = np.arange(10, dtype=np.uint64).reshape(10, 1, 1, 1)

# AS241, PPND16: numerators and denominators from the highest power down.
_CENTRE_NUMERATOR: Final = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080e0,
)
_CENTRE_DENOMINATOR: Final = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
_TAIL_NUMERATOR: Final = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e0,
    3.64784832476320460504e0,
    5.76949722146069140550e0,
    4.63033784615654529590e0,
    1.42343711074968357734e0,
)
_TAIL_DENOMINATOR: Final = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e0,
    2.05319162663775882187e0,
    1.0,
)
# 2 artanh(s) = s * (2 + 2/3 s^2 + 2/5 s^4 + …); eleven terms reach the last bit for |s| <= 0.172.
_ARTANH: Final = tuple(2.0 / power for power in range(21, 0, -2))
_SQRT_TWO: Final = 1.4142135623730951
_LOG_TWO: Final = 0.6931471805599453


class NoiseError(ValueError):
    """A coordinate of the noise lies outside its counter."""


class Place(NamedTuple):
    """Where in the noise an array lies; the element is the fifth coordinate."""

    seed: int
    image: int
    step: int
    stream: int = 0


def normals(seed: int, *, image: int, step: int, shape: tuple[int, ...], stream: int = 0) -> Latent:
    """Standard normals of one image and step: step 0 is the initial latent, step i + 1 what entry i injects."""
    rows = normals_rows([Place(seed, image, step, stream)], shape=shape)
    return rows.reshape(shape)


def normals_rows(places: Sequence[Place], *, shape: tuple[int, ...]) -> Latent:
    """`normals` of several places at once, `[B, *shape]`: the same bits in fewer calls."""
    count = math.prod(shape)
    words = philox(places, blocks=-(-count // 4)).reshape(len(places), -1)[:, :count]
    return inverse_cdf(words.ravel()).astype(np.float32).reshape(len(places), *shape)


def philox(places: Sequence[Place], *, blocks: int, first: int = 0) -> _Words:
    """Philox 4x32-10 of the counters (first + i, step, image, stream): uint32 words in uint64, `[B, blocks, 4]`."""
    seeds, images, steps, streams = (_column(places, field) for field in range(4))
    even = np.empty((2, len(places), blocks), dtype=np.uint64)
    odd = np.empty_like(even)
    even[0] = np.arange(first, first + blocks, dtype=np.uint64)
    odd[0], even[1], odd[1] = steps, images, streams
    product = np.empty_like(even)
    crossed = product[::-1]
    for key in _round_keys(seeds):
        np.multiply(even, _MULTIPLIERS, out=product)
        np.right_shift(crossed, _HALF, out=even)
        even ^= odd
        even ^= key
        np.bitwise_and(crossed, _WORD, out=odd)
    return np.stack((even[0], odd[0], even[1], odd[1]), axis=-1)


def _column(places: Sequence[Place], field: int) -> _Words:
    name, bits = Place._fields[field], 64 if field == 0 else 32
    for place in places:
        if not 0 <= place[field] < 1 << bits:
            raise NoiseError(f"`{name}` is {place[field]}; it must be an integer from 0 to 2^{bits} - 1.")
    return np.array([[place[field]] for place in places], dtype=np.uint64)


def _round_keys(seeds: _Words) -> _Words:
    """The two key words of each round, `[rounds, 2, B, 1]`."""
    keys: _Words = np.stack((seeds & _WORD, seeds >> _HALF)) + _TURNS * _WEYL
    keys &= _WORD
    return keys


def inverse_cdf(words: _Words) -> _Reals:
    """Normal quantile of (word + 1/2) / 2^32, float64; |z| <= 6.4, so AS241's far tail never occurs."""
    centred = words.astype(np.float64)
    centred -= 2147483647.5
    centred *= 2.0**-32
    square = centred * centred
    remainder = 0.180625 - square
    normal = _polynomial(_CENTRE_NUMERATOR, remainder)
    normal /= _polynomial(_CENTRE_DENOMINATOR, remainder)
    normal *= centred
    tail = np.flatnonzero(remainder < 0.0)
    normal[tail] = _tail(centred[tail])
    return normal


def _tail(centred: _Reals) -> _Reals:
    """Quantile where |p - 1/2| > 0.425, from the exact distance to the nearer end."""
    root = np.sqrt(_minus_log(0.5 - np.abs(centred)))
    root -= 1.6
    magnitude = _polynomial(_TAIL_NUMERATOR, root)
    magnitude /= _polynomial(_TAIL_DENOMINATOR, root)
    return np.copysign(magnitude, centred)


def _minus_log(value: _Reals) -> _Reals:
    """-log of positive normal numbers: exact split m * 2^e with m in [1, 2), then artanh of (m - √2) / (m + √2)."""
    bits = value.view(np.int64)
    exponent = (bits >> 52).astype(np.float64)
    exponent -= 1022.5
    mantissa = ((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    ratio = (mantissa - _SQRT_TWO) / (mantissa + _SQRT_TWO)
    logarithm = _polynomial(_ARTANH, ratio * ratio)
    logarithm *= ratio
    exponent *= _LOG_TWO
    exponent += logarithm
    return np.negative(exponent, out=exponent)


def _polynomial(coefficients: tuple[float, ...], at: _Reals) -> _Reals:
    """Horner's rule, one multiply then one add a term."""
    total = at * coefficients[0]
    for coefficient in coefficients[1:-1]:
        total += coefficient
        total *= at
    total += coefficients[-1]
    return total
