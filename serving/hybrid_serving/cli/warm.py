"""Makes sure that every engine a resource needs is built before a replica asks for it.

Serving never compiles; a replica that finds no engine fails. With a warm cache nothing is built and no training
framework is imported.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, get_args

from hybrid_api import v1alpha1
from hybrid_engines import build, models
from hybrid_engines.engine import Engine
from hybrid_engines.models import Component, Model, Size
from hybrid_engines.spec import EngineSpec, Stage
from hybrid_serving.cli import output
from hybrid_serving.cli.reporter import Reporter
from hybrid_serving.cloud import assembly

COMPONENTS: Final[tuple[Component, ...]] = get_args(Component)
"""Every denoiser can begin and end a trajectory, so it encodes and decodes too."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One engine that a replica will load."""

    model: Model
    component: Component
    spec: EngineSpec
    size: Size


def wanted(resource: v1alpha1.HybridDiffusion) -> Iterator[Wanted]:
    """Every engine of a resource, each once."""
    first: Model | None = None
    for segment in resource.spec.segments:
        model = models.open_model(segment.model.uri, first=first)
        first = first or model
        spec = assembly.engine_spec(segment.engine)
        for size in resource.spec.requests.limits.sizes:
            for component in COMPONENTS:
                yield Wanted(model, component, spec, (size.width, size.height))


def ensure(engines: Iterable[Wanted], *, reporter: Reporter) -> None:
    """Build what is missing, with progress."""
    with reporter.phase("engines", "Looking for engines") as phase:
        distinct = {_key(engine): engine for engine in engines}
        missing = [engine for engine in distinct.values() if not _is_at_hand(engine)]
        phase.title = f"{len(distinct) - len(missing)} of {len(distinct)} engines are at hand"
    if missing:
        _build(missing, reporter=reporter)


def load(engine: Wanted) -> Engine:
    """An engine that `ensure` has seen to."""
    return build.load(engine.model, engine.component, spec=engine.spec, size=engine.size)


def _key(engine: Wanted) -> str:
    return build.plan(engine.model, engine.component, spec=engine.spec, size=engine.size).key()


def _is_at_hand(engine: Wanted) -> bool:
    try:
        load(engine)
    except build.EngineMissing:
        return False
    return True


def _build(missing: list[Wanted], *, reporter: Reporter) -> None:
    stages = list(Stage)
    title = f"Engines built: {len(missing)}"
    with reporter.phase("build", title, has_spinner=False), output.progress() as progress:
        task = progress.add_task("", total=len(missing) * len(stages))
        for number, engine in enumerate(missing):
            name = f"{engine.component} of {engine.model.name}"

            def show(stage: Stage, *, first: int = number * len(stages), name: str = name) -> None:
                progress.update(task, description=f"{name}: {stage}", completed=first + stages.index(stage))

            build.ensure(engine.model, engine.component, spec=engine.spec, size=engine.size, progress=show)
