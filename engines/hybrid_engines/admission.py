"""Opens an entry of the cache as an engine, and admits it only if it answers its probe. It must not build anything."""

from dataclasses import replace

from hybrid_engines import examination, probe, resolve
from hybrid_engines.cache import Cache, CacheUnreadable, Entry, EntryRefused
from hybrid_engines.examination import Examination
from hybrid_engines.plan import Plan
from hybrid_engines.runner import CompiledEngine
from hybrid_engines.spec import BackendUnavailable, EngineError


class EntryDistrusted(EngineError):
    """An entry was found wanting and has been quarantined."""


class NotExamined(EngineError):
    """An entry without an examination by this device that can be read; its status here is unverified."""


def find(wanted: Plan, *, store: Cache) -> CompiledEngine | None:
    """The admitted engine, `None` if there is no entry; a bad entry is quarantined, then raised."""
    entry = read(wanted, store=store)
    if entry is None:
        return None
    examined = _examination(entry, device=resolve.backend(wanted.backend).device())
    try:
        return _admit(wanted, entry=entry, examined=examined)
    except BackendUnavailable:
        raise  # this machine's fault, not the entry's
    except EngineError as error:
        raise _distrust(wanted, store=store, error=error) from error


def read(wanted: Plan, *, store: Cache) -> Entry | None:
    """The entry, its files checked but not its answers; `None` if there is none."""
    try:
        return store.read(wanted.key(), ingredients=wanted.ingredients())
    except CacheUnreadable:
        raise  # the file system's fault, not the entry's
    except EngineError as error:
        raise _distrust(wanted, store=store, error=error) from error


def open_engine(wanted: Plan, *, entry: Entry, examined: Examination | None = None) -> CompiledEngine:
    """The engine of an entry, not yet admitted: its domain lacks the answer to the probe."""
    chosen = resolve.backend(wanted.backend)
    bucket = examined.bucket if examined else None
    return CompiledEngine(
        chosen.open_runner(entry.folder, plan=wanted),
        signature=wanted.signature,
        domain=wanted.domain(device=chosen.device(), bucket=bucket),
        facts=replace(entry.facts, milliseconds=examined.milliseconds if examined else {}),
        buckets=wanted.batch_sizes if bucket is None else (bucket,),
        is_batch_invariant=bucket is None,
    )


def _examination(entry: Entry, *, device: str) -> Examination:
    """One that cannot be read says nothing about the engine, which need not be built again for it."""
    try:
        found = examination.read(entry.folder, device=device)
    except EntryRefused as error:
        raise NotExamined(str(error)) from error
    if found is None:
        raise NotExamined(f"It was compiled, but never verified on this device ({device}).")
    return found


def _admit(wanted: Plan, *, entry: Entry, examined: Examination) -> CompiledEngine:
    engine = open_engine(wanted, entry=entry, examined=examined)
    answer = probe.check(engine, folder=entry.folder, precision=wanted.precision)
    engine.domain = wanted.domain(device=examined.device, answer=answer, bucket=examined.bucket)
    return engine


def _distrust(wanted: Plan, *, store: Cache, error: EngineError) -> EntryDistrusted:
    store.quarantine(wanted.key(), reason=str(error))
    return EntryDistrusted(str(error))
