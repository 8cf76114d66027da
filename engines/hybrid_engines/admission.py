"""Opens an entry of the cache as an engine, and admits it only if it answers its probe. It must not build anything."""

from hybrid_engines import probe, resolve
from hybrid_engines.cache import Cache, Entry
from hybrid_engines.plan import Plan
from hybrid_engines.runner import CompiledEngine
from hybrid_engines.spec import BackendUnavailable, EngineError


class EntryDistrusted(EngineError):
    """An entry was found wanting and has been quarantined."""


def find(wanted: Plan, *, store: Cache) -> CompiledEngine | None:
    """The admitted engine, `None` if there is no entry; a bad entry is quarantined, then raised."""
    key = wanted.key()
    try:
        entry = store.read(key, ingredients=wanted.ingredients())
        return None if entry is None else _admit(wanted, entry=entry)
    except BackendUnavailable:
        raise  # this machine's fault, not the entry's
    except EngineError as error:
        store.quarantine(key, reason=str(error))
        raise EntryDistrusted(str(error)) from error


def open_engine(wanted: Plan, *, entry: Entry) -> CompiledEngine:
    """The engine of an entry, not yet admitted: its domain lacks the answer to the probe."""
    return CompiledEngine(
        resolve.backend(wanted.backend).open_runner(entry.folder, plan=wanted),
        signature=wanted.signature,
        domain=wanted.domain(bucket=entry.bucket),
        facts=entry.facts,
        buckets=wanted.batch_sizes if entry.bucket is None else (entry.bucket,),
        is_batch_invariant=entry.bucket is None,
    )


def _admit(wanted: Plan, *, entry: Entry) -> CompiledEngine:
    engine = open_engine(wanted, entry=entry)
    answer = probe.check(engine, folder=entry.folder, precision=wanted.precision)
    engine.domain = wanted.domain(answer=answer, bucket=entry.bucket)
    return engine
