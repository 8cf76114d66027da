"""Examines a compiled engine on the device at hand: the right answer, independent rows, the time of every bucket.

It must not import a training framework: a device also examines what was compiled elsewhere.
"""

from hybrid_engines import admission, invariance, probe, resolve
from hybrid_engines.cache import Entry
from hybrid_engines.examination import Examination
from hybrid_engines.plan import Plan
from hybrid_engines.spec import Progress, Stage


def examine(wanted: Plan, *, entry: Entry, progress: Progress) -> Examination:
    """Check, prove and measure; raises `ProbeFailed` if the engine's answer is wrong."""
    progress(Stage.PROBE)
    engine = admission.open_engine(wanted, entry=entry)
    probe.check(engine, folder=entry.folder, precision=wanted.precision)
    is_proven = invariance.is_proven(engine, vocabulary=wanted.vocabulary)
    progress(Stage.MEASURE)
    milliseconds = probe.measure(engine, vocabulary=wanted.vocabulary)
    return Examination(
        device=resolve.backend(wanted.backend).device(),
        bucket=None if is_proven else invariance.fixed_bucket(milliseconds, together=wanted.rows_together),
        milliseconds=milliseconds,
    )
