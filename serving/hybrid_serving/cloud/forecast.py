"""How long new work would wait at a replica, played through on the measured tables.

Pure. It plays the batcher's main rule only (the most urgent rows run until they are done), so it is a prediction, not
a promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hybrid_serving.cloud.pace import Pace


@dataclass(frozen=True, slots=True)
class Demand:
    """One image's rest, of one batch key."""

    rows: int
    calls: int


def wait_milliseconds(demands: Sequence[Demand], *, rows: int, pace: Pace) -> float:
    """Time until `rows` of the largest call are free; `demands` in order of urgency, all before the newcomer."""
    elapsed = 0.0
    rows = min(rows, pace.largest)
    left = list(demands)
    while True:
        running = _running(left, largest=pace.largest)
        used = sum(left[index].rows for index in running)
        if len(running) == len(left) and used + rows <= pace.largest:
            return elapsed
        calls = min(left[index].calls for index in running)
        elapsed += calls * pace.alone(used)
        for index in running:
            left[index] = replace(left[index], calls=left[index].calls - calls)
        left = [demand for demand in left if demand.calls > 0]


def _running(demands: Sequence[Demand], *, largest: int) -> list[int]:
    """Which demands share a call now."""
    running = []
    for index, demand in enumerate(demands):
        if demand.rows <= largest:
            running.append(index)
            largest -= demand.rows
    return running
