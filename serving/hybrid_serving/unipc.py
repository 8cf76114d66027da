"""UniPC of second order, predictor and corrector, as the entries of a coefficient table (Zhao et al. 2023, Alg. 1).

The B2 variant that predicts x0, as in diffusers. Both parts are linear, and the corrector only replaces the estimates
that the predictor before it used: the corrected sample is x plus weights of three estimates. So one entry does both,
and two earlier estimates are all that a trajectory remembers. Computed in float64; nothing here touches a latent.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Amplitudes(NamedTuple):
    """A noise level as the amplitudes of image and noise in x."""

    alpha: float
    sigma: float

    @property
    def half_log_snr(self) -> float:
        """λ of the paper; infinite without noise."""
        return math.log(self.alpha / self.sigma) if self.sigma else math.inf


class Weights(NamedTuple):
    """One step after the estimate x0: weights of x, of x0, and of the two estimates before it, newest first."""

    x: float
    x0: float
    history: tuple[float, float]


def steps(points: Sequence[Amplitudes]) -> list[Weights]:
    """The weights of every step along `points`, which end where the image is clean."""
    orders = [_order(points, place) for place in range(len(points) - 1)]
    found = []
    for place in range(len(orders)):
        corrected = _corrected(points, place, order=orders[place - 1]) if place else Weights(1.0, 0.0, (0.0, 0.0))
        kept, now, before = _predictor(points, place, order=orders[place])
        found.append(
            Weights(
                x=kept * corrected.x,
                x0=kept * corrected.x0 + now,
                history=(kept * corrected.history[0] + before, kept * corrected.history[1]),
            )
        )
    return found


def _corrected(points: Sequence[Amplitudes], place: int, *, order: int) -> Weights:
    """The sample at `place` once its own estimate is known, from the sample that the predictor made (UniC)."""
    _, newest, older = _predictor(points, place - 1, order=order)
    there, h = points[place], _span(points, place - 1)
    scale = there.alpha * math.expm1(-h)
    first = -scale  # σ/σ·x - α(e^-h - 1)·x0, the part that predictor and corrector share
    if order == 1:
        own, ratio, past = 0.5, 1.0, 0.0
    else:
        ratio = _ratio(points, place - 1)
        past, own = _solve(h, ratio)
    by_own = -scale * own
    by_past = -scale * past / ratio
    # Replaces what the predictor added: same x, other weights of the estimates.
    return Weights(x=1.0, x0=by_own, history=(first - by_own - by_past - newest, by_past - older))


def _predictor(points: Sequence[Amplitudes], place: int, *, order: int) -> tuple[float, float, float]:
    """Weights of x, x0 and the estimate before it (UniP)."""
    here, there = points[place], points[place + 1]
    scale = there.alpha * math.expm1(-_span(points, place))
    older = -0.5 * scale / _ratio(points, place) if order == 2 else 0.0
    return there.sigma / here.sigma, -scale - older, older


def _order(points: Sequence[Amplitudes], place: int) -> int:
    """First at both ends, and between equal levels, which rounding makes near 1,000 steps."""
    is_between = 0 < place < len(points) - 2
    return 2 if is_between and _span(points, place) > 0 and _span(points, place - 1) > 0 else 1


def _span(points: Sequence[Amplitudes], place: int) -> float:
    """h: how far a step goes in λ."""
    return points[place + 1].half_log_snr - points[place].half_log_snr


def _ratio(points: Sequence[Amplitudes], place: int) -> float:
    """r: the step before, in units of this one, backwards."""
    return (points[place - 1].half_log_snr - points[place].half_log_snr) / _span(points, place)


def _solve(h: float, ratio: float) -> tuple[float, float]:
    """The corrector's weights of both differences (the paper's a = R⁻¹ b / B(h), with B(h) = e^-h - 1)."""
    scale = math.expm1(-h)
    second = scale / -h - 1.0
    third = second / -h - 0.5
    past, own = np.linalg.solve(np.array([[1.0, 1.0], [ratio, 1.0]]), np.array([second, 2.0 * third]) / scale)
    return float(past), float(own)
