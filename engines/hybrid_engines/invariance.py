"""Proves, or fails to prove, that a row's result does not depend on its batch. It must not assume it of any backend.

Where the proof fails the engine keeps one bucket only, and that bucket belongs to its numerics domain.
"""

from collections.abc import Mapping

import numpy as np

from hybrid_engines import probe
from hybrid_engines.engine import Array
from hybrid_engines.runner import CompiledEngine

DISTINCT_ROWS = 3
SLACK = 1.5
"""How much dearer a row may be in the bucket that is kept than in the cheapest: small buckets serve single images."""


def is_proven(engine: CompiledEngine, *, vocabulary: int) -> bool:
    """Whether rows alone, in every bucket and in other positions give the same bits."""
    rows = probe.question(engine.signature, rows=DISTINCT_ROWS, vocabulary=vocabulary)
    alone = np.concatenate([probe.ask(engine, _take(rows, [row])) for row in range(DISTINCT_ROWS)])
    return all(_agrees(engine, rows, alone=alone, bucket=bucket) for bucket in engine.buckets)


def fixed_bucket(milliseconds: Mapping[int, float], *, together: int = 1) -> int:
    """The smallest bucket in which a row costs little more than in the cheapest one.

    So many rows belong `together` in one call; a bucket with less room is kept only where there is no other.
    """
    roomy = [bucket for bucket in milliseconds if bucket >= together] or milliseconds
    per_row = {bucket: milliseconds[bucket] / bucket for bucket in roomy}
    return min(bucket for bucket, cost in per_row.items() if cost <= SLACK * min(per_row.values()))


def _agrees(engine: CompiledEngine, rows: Mapping[str, Array], *, alone: Array, bucket: int) -> bool:
    """A full bucket of the rows, last one first."""
    order = [(-1 - position) % DISTINCT_ROWS for position in range(bucket)]
    return np.array_equal(probe.ask(engine, _take(rows, order), bucket=bucket), alone[order])


def _take(rows: Mapping[str, Array], order: list[int]) -> dict[str, Array]:
    return {name: array[order] for name, array in rows.items()}
