"""How long calls of one batch key take, as measured when its engine was built, and which bucket that makes the best.

Pure. The table is the engine's profile, never the live time: a starved replica would otherwise believe that its
engine is slow.
"""

from collections.abc import Mapping


class PaceError(ValueError):
    """A table that decides nothing."""


class Pace:
    """Milliseconds by bucket (rows a call)."""

    def __init__(self, milliseconds: Mapping[int, float]) -> None:
        if not milliseconds or min(milliseconds) < 1 or min(milliseconds.values()) <= 0:
            raise PaceError(
                f"Found the table {dict(milliseconds)}, expected milliseconds above zero for at least one bucket; "
                "build the engine anew, which measures them."
            )
        self._milliseconds = {bucket: float(milliseconds[bucket]) for bucket in sorted(milliseconds)}
        self._plans: dict[tuple[int, ...], list[tuple[float, int]]] = {}
        self.buckets = tuple(self._milliseconds)
        self.largest = self.buckets[-1]
        self.row_milliseconds = min(value / bucket for bucket, value in self._milliseconds.items())
        """One row in the best filled call: the profiled work that a row is."""

    def milliseconds(self, bucket: int) -> float:
        """Time of one call."""
        return self._milliseconds[bucket]

    def fitting(self, rows: int) -> int:
        """The fastest bucket that holds `rows`; the largest where none does."""
        holding = [bucket for bucket in self.buckets if bucket >= rows]
        return min(holding, key=lambda bucket: (self._milliseconds[bucket], bucket), default=self.largest)

    def alone(self, rows: int) -> float:
        """Time of a call of nothing but `rows`."""
        return self._milliseconds[self.fitting(rows)]

    def first(self, rows: int, *, limit: float = float("inf")) -> int:
        """The bucket of the first call in the cheapest sequence of calls, of at most `limit` ms, that runs `rows`.

        Among equally cheap ones the fullest first call: the most urgent rows come first.
        """
        allowed = tuple(bucket for bucket in self.buckets if self._milliseconds[bucket] <= limit)
        if not allowed:
            return self.fitting(rows)
        plan = self._plans.setdefault(allowed, [(0.0, 0)])
        while len(plan) <= rows:
            plan.append(self._extend(plan, allowed))
        return plan[rows][1]

    def _extend(self, plan: list[tuple[float, int]], allowed: tuple[int, ...]) -> tuple[float, int]:
        """Least total time for one row more, and the largest bucket that a sequence of that time begins with."""
        rows = len(plan)
        totals = [(self._milliseconds[bucket] + plan[max(0, rows - bucket)][0], bucket) for bucket in allowed]
        least = min(total for total, _ in totals)
        return least, max(bucket for total, bucket in totals if total <= least * (1 + 1e-9))
