"""Engines from models: out of the cache where it can be trusted, built where it cannot. The package's front door.

A hit imports neither torch, diffusers nor transformers; only a miss in `ensure` does.
"""

from pathlib import Path

from hybrid_engines import admission
from hybrid_engines.cache import Cache
from hybrid_engines.location import cache_folder
from hybrid_engines.models import Component, Model, Size
from hybrid_engines.plan import Plan
from hybrid_engines.resolve import plan
from hybrid_engines.runner import CompiledEngine
from hybrid_engines.spec import EngineError, EngineSpec, Progress, Stage, silent

__all__ = ["EngineError", "EngineMissing", "EngineSpec", "Progress", "Stage", "ensure", "load", "plan"]


class EngineMissing(EngineError):
    """No engine that could be trusted, and building was not allowed."""

    def __init__(self, wanted: Plan, *, root: Path, reason: str = "it was never built") -> None:
        name = f"`{wanted.component}` of `{wanted.model.name}`"
        super().__init__(f"No usable engine for {name} in `{root}`: {reason.rstrip('.')}. Run `{wanted.command()}`.")


def load(
    model: Model, component: Component, *, spec: EngineSpec, size: Size, cache: Path | None = None
) -> CompiledEngine:
    """The engine from the cache; raises `EngineMissing` with the command to run where there is none to be trusted."""
    wanted, store = plan(model, component, spec=spec, size=size), Cache(cache or cache_folder())
    try:
        engine = admission.find(wanted, store=store)
    except admission.EntryDistrusted as error:
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
    """The engine from the cache, built first where there is none to be trusted."""
    wanted, store = plan(model, component, spec=spec, size=size), Cache(cache or cache_folder())
    engine = _find_or_none(wanted, store=store)
    if engine is not None:
        return engine
    with store.lock(wanted.key(), on_wait=lambda: progress(Stage.WAIT)):
        # Whoever held the lock may have built it.
        engine = _find_or_none(wanted, store=store)
        return engine if engine is not None else _make(wanted, store=store, progress=progress)


def _find_or_none(wanted: Plan, *, store: Cache) -> CompiledEngine | None:
    """The engine, or nothing to build it in place of; the reason is in the log and in the quarantine."""
    try:
        return admission.find(wanted, store=store)
    except admission.EntryDistrusted:
        return None


def _make(wanted: Plan, *, store: Cache, progress: Progress) -> CompiledEngine:
    from hybrid_engines import builder  # noqa: PLC0415  (torch, diffusers and transformers, on a miss only)

    return builder.make(wanted, store=store, progress=progress)
