"""Engines from models: out of the cache where it can be trusted, built where it cannot. The package's front door.

A hit imports neither torch, diffusers nor transformers; only a miss in `ensure` and `prepare` does.
"""

from dataclasses import dataclass
from pathlib import Path

from hybrid_engines import admission, examination, examiner, resolve
from hybrid_engines.cache import Cache, Entry, EntryRefused, explained
from hybrid_engines.engine import Domain
from hybrid_engines.location import cache_folder
from hybrid_engines.models import Component, Model, Size
from hybrid_engines.plan import Plan
from hybrid_engines.resolve import plan
from hybrid_engines.runner import CompiledEngine
from hybrid_engines.spec import BackendUnavailable, EngineError, EngineSpec, Progress, Stage, silent

__all__ = ["EngineError", "EngineMissing", "EngineSpec", "Progress", "Stage", "ensure", "load", "plan", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An engine in the cache."""

    plan: Plan
    entry: Entry
    domain: Domain | None
    """Its numerics domain on this device; `None` where no device here can run it, and it stays unverified."""


class EngineMissing(EngineError):
    """No engine that could be trusted, and building was not allowed."""

    def __init__(self, wanted: Plan, *, root: Path, reason: str = "it was never built") -> None:
        name = f"`{wanted.component}` of `{wanted.model.name}`"
        super().__init__(f"No usable engine for {name} in `{root}`: {reason.rstrip('.')}. Run `{wanted.command()}`.")


def load(
    model: Model, component: Component, *, spec: EngineSpec, size: Size, cache: Path | None = None
) -> CompiledEngine:
    """The engine from the cache; raises `EngineMissing` with the command to run where there is none to be trusted.

    Where nothing could run it, that is said first: `BackendUnavailable`.
    """
    wanted, store = plan(model, component, spec=spec, size=size), Cache(cache or cache_folder())
    resolve.backend(wanted.backend).device()  # what cannot run here need not be built here either
    try:
        engine = admission.find(wanted, store=store)
    except (admission.EntryDistrusted, admission.NotExamined) as error:
        raise EngineMissing(wanted, root=store.root, reason=str(error)) from error
    if engine is None:
        raise EngineMissing(wanted, root=store.root)
    return engine


def ensure(
    model: Model,
    component: Component,
    *,
    spec: EngineSpec,
    size: Size,
    cache: Path | None = None,
    progress: Progress = silent,
) -> CompiledEngine:
    """The engine from the cache, built or examined first where there is none to be trusted."""
    wanted, store = plan(model, component, spec=spec, size=size), Cache(cache or cache_folder())
    resolve.backend(wanted.backend).device()  # refuses before minutes of building for nothing
    engine = _find_or_none(wanted, store=store)
    if engine is not None:
        return engine
    with store.lock(wanted.key(), on_wait=lambda: progress(Stage.WAIT)):
        # Whoever held the lock may have built it.
        engine = _find_or_none(wanted, store=store)
        return engine if engine is not None else _make(wanted, store=store, progress=progress)


def prepare(
    model: Model,
    component: Component,
    *,
    spec: EngineSpec,
    size: Size,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Have the engine in the cache; unlike `ensure` it also builds for devices that this machine does not have."""
    wanted, store = plan(model, component, spec=spec, size=size), Cache(cache or cache_folder())
    domain = None
    if resolve.has_device(wanted.backend):
        domain = ensure(model, component, spec=spec, size=size, cache=cache, progress=progress).domain
    entry = _read_or_none(wanted, store=store)
    if entry is None:
        with store.lock(wanted.key(), on_wait=lambda: progress(Stage.WAIT)):
            entry = _read_or_none(wanted, store=store) or _build(wanted, store=store, progress=progress)
    return Prepared(plan=wanted, entry=entry, domain=domain)


def _find_or_none(wanted: Plan, *, store: Cache) -> CompiledEngine | None:
    """The engine, or nothing to build it in place of; the reason is in the log and in the quarantine."""
    try:
        return admission.find(wanted, store=store)
    except (admission.EntryDistrusted, admission.NotExamined):
        return None


def _read_or_none(wanted: Plan, *, store: Cache) -> Entry | None:
    try:
        return admission.read(wanted, store=store)
    except admission.EntryDistrusted:
        return None


def _make(wanted: Plan, *, store: Cache, progress: Progress) -> CompiledEngine:
    """Examine what was compiled elsewhere, build what was not; call under the key's lock."""
    entry = _read_or_none(wanted, store=store)
    if entry is None:
        _build(wanted, store=store, progress=progress)
    else:
        _examine(wanted, entry=entry, store=store, progress=progress)
    found = admission.find(wanted, store=store)
    if found is None:
        raise _vanished(wanted, store=store)
    return found


def _examine(wanted: Plan, *, entry: Entry, store: Cache, progress: Progress) -> None:
    try:
        found = examiner.examine(wanted, entry=entry, progress=progress)
    except BackendUnavailable:
        raise  # this machine's fault, not the entry's
    except EngineError as error:
        store.quarantine(wanted.key(), reason=str(error))
        raise
    with explained(store.root):
        examination.write(entry.folder, found)


def _build(wanted: Plan, *, store: Cache, progress: Progress) -> Entry:
    from hybrid_engines import builder  # noqa: PLC0415  (torch, diffusers and transformers, on a miss only)

    builder.make(wanted, store=store, progress=progress)
    entry = admission.read(wanted, store=store)
    if entry is None:
        raise _vanished(wanted, store=store)
    return entry


def _vanished(wanted: Plan, *, store: Cache) -> EntryRefused:
    return EntryRefused(
        f"Entry `{wanted.key()}` vanished while it was published; is something else cleaning `{store.root}`?"
    )
