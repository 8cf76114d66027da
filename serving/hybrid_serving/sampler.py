"""One sampler step as a linear combination with explicit state, and the tables of its weights.

`compile_table` computes weights in float64; `guide` and `step` apply them in float32, one multiply then one add, in one
fixed order, so that a row's bits do not depend on its batch. Nothing is remembered here and no framework is imported.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_serving import solvers
from hybrid_serving.schedule import SamplerError, Schedule, ScheduleUnsupportedError
from hybrid_serving.spacing import StepsUnsupportedError
from hybrid_serving.table import Entry, Table

__all__ = [
    "SAMPLERS",
    "Entry",
    "EpsilonAtZeroSnrError",
    "HistoryMissingError",
    "SamplerError",
    "Schedule",
    "ScheduleUnsupportedError",
    "StepsUnsupportedError",
    "Table",
    "UnknownSamplerError",
    "compile_table",
    "guide",
    "level_of",
    "step",
    "step_rows",
]

Array = NDArray[np.float32]

_SOLVERS: Final[dict[str, Callable[[Schedule, int], tuple[Entry, ...]]]] = {
    "dpmpp-2m": solvers.dpmpp_2m,
    "unipc-2": solvers.unipc_2,
    "ddim": solvers.ddim,
    "euler": solvers.euler,
    "euler-a": solvers.euler_ancestral,
    "lcm": solvers.lcm,
}
SAMPLERS: Final[tuple[str, ...]] = tuple(_SOLVERS)
_ZERO: Final = np.float32(0.0)


class UnknownSamplerError(SamplerError):
    """The sampler's name is not one of `SAMPLERS`."""


class EpsilonAtZeroSnrError(SamplerError):
    """Epsilon says nothing about the image where x is pure noise."""


class HistoryMissingError(SamplerError):
    """A step was asked for without the state that its sampler needs."""


@lru_cache(maxsize=256)
def compile_table(schedule: Schedule, *, sampler: str, steps: int) -> Table:
    """Every weight of a trajectory; equal arguments share one table."""
    if sampler not in SAMPLERS:
        known = ", ".join(f"`{name}`" for name in SAMPLERS)
        raise UnknownSamplerError(f"Sampler `{sampler}` is unknown; choose one of {known}.")
    if not 1 <= steps <= schedule.train_steps:
        raise StepsUnsupportedError(f"`steps` is {steps}; it must be between 1 and {schedule.train_steps}.")
    if schedule.zero_terminal_snr and schedule.prediction == "epsilon":
        raise EpsilonAtZeroSnrError(
            "The schedule has zero terminal SNR and the network predicts epsilon, which does not determine the image"
            " there; use a network with `prediction_type` `v_prediction`, or unset `rescale_betas_zero_snr`."
        )
    entries = _SOLVERS[sampler](schedule, steps)
    return Table(
        sampler=sampler,
        prediction=schedule.prediction,
        initial=solvers.initial_weight(schedule, entries[0]) if sampler in {"euler", "euler-a"} else 1.0,
        entries=entries,
        history_length=len(entries[0].history),
    )


def level_of(schedule: Schedule, *, table: Table, position: int) -> float:
    """Standard deviation of the noise in x before the entry at `position`: 1 pure noise, 0 after the last entry."""
    return 0.0 if position == table.steps else schedule.noise_level(table.at(position).level)


def guide(conditional: Array, unconditional: Array, scale: float | Sequence[float]) -> Array:
    """Classifier-free guidance (Ho & Salimans 2022), of one output or of rows with a scale each; 1 is the identity."""
    scales = np.asarray(scale, dtype=np.float32)
    guided = conditional - unconditional
    guided *= scales.reshape(scales.shape + (1,) * (guided.ndim - scales.ndim))
    guided += unconditional
    unguided = scales == 1.0
    if unguided.any():
        guided[unguided] = conditional[unguided]
    return guided


def step(
    x: Array, output: Array, *, entry: Entry, history: Sequence[Array] = (), noise: Array | None = None
) -> tuple[Array, Array]:
    """One step of one image: the next x, and the estimate x0 that joins the history."""
    after, x0 = step_rows(x[np.newaxis], output[np.newaxis], entries=(entry,), history=(history,), noise=(noise,))
    return after[0], x0[0]


def step_rows(
    x: Array,
    output: Array,
    *,
    entries: Sequence[Entry],
    history: Sequence[Sequence[Array]],
    noise: Sequence[Array | None],
) -> tuple[Array, Array]:
    """One step of rows `[B, …]` that each have an entry, a history and noise of their own; bits as row by row."""
    columns = _columns(entries, rank=x.ndim)
    x0 = columns[0] * x
    x0 += columns[1] * output
    after = columns[2] * x
    after += columns[3] * x0
    for age in range(max(len(entry.history) for entry in entries)):
        weights = [entry.history[age] if age < len(entry.history) else 0.0 for entry in entries]
        past = [row[age] if age < len(row) else None for row in history]
        _add_weighted(after, weights, past)
    _add_weighted(after, [entry.noise for entry in entries], noise)
    # A term of weight zero may be left out or be minus zero; without this the sign of a zero would tell.
    after += _ZERO
    return after, x0


def _columns(entries: Sequence[Entry], *, rank: int) -> Array:
    """Weights that every row has, as columns that broadcast over rows."""
    rows = [(entry.x0_from_x, entry.x0_from_output, entry.x, entry.x0) for entry in entries]
    return np.array(rows, dtype=np.float32).T.reshape(4, len(rows), *(1,) * (rank - 1))


def _add_weighted(total: Array, weights: Sequence[float], terms: Sequence[Array | None]) -> None:
    """Add weight·term to each row of `total` whose weight is not zero."""
    for row, (weight, term) in enumerate(zip(weights, terms, strict=True)):
        if weight == 0.0:
            continue
        if term is None:
            raise HistoryMissingError(
                f"Row {row} lacks an array that its entry weighs with {weight:.3g}; pass the whole state and the noise."
            )
        total[row] += np.float32(weight) * term
