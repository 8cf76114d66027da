"""Builds a replica's worker from the fixed half of the configuration: opens models, loads engines, wires the stages.

Engines are only loaded: a missing one is an error that says how to build it. It knows no Ray.
"""

from pathlib import Path
from typing import cast

from hybrid_api import segments
from hybrid_api.serve_config import Fixed
from hybrid_engines import build, models
from hybrid_engines.engine import Engine
from hybrid_engines.spec import BackendName, EngineSpec, Graph, Precision
from hybrid_serving.cloud.networks import Networks, Size
from hybrid_serving.cloud.preparation import Preparation
from hybrid_serving.cloud.prompts import Embeddings, PromptTokenizer
from hybrid_serving.cloud.stages import PreviewMap, Stages
from hybrid_serving.cloud.worker import Worker
from hybrid_serving.sampler import Schedule

RESIDENTS_A_ROW = 4
"""Images in memory by row of the largest batch: enough to fill calls of every kind, bounded whatever arrives."""


def worker(fixed: Fixed, *, segment: str) -> Worker:
    """The worker of one segment; its engine loop runs."""
    spec = next(each for each in fixed.spec.segments if each.name == segment)
    first = models.open_model(fixed.spec.segments[0].model.uri)
    model = models.open_model(spec.model.uri, first=first)
    sizes = [(size.width, size.height) for size in fixed.spec.requests.limits.sizes]
    engines = load(model, spec=engine_spec(spec.engine), sizes=sizes)
    return connect(engines, model=model, capacity=RESIDENTS_A_ROW * max(spec.engine.batch_sizes))


def engine_spec(engine: segments.Engine) -> EngineSpec:
    """A segment's engine settings in the engines' words."""
    return EngineSpec(
        backend=cast("BackendName", engine.backend.lower()),
        precision=cast("Precision", engine.precision.lower()),
        graph=cast("Graph", engine.graph.lower()),
        batch_sizes=tuple(sorted(engine.batch_sizes)),
        threads=engine.threads,
    )


def load(model: models.Model, *, spec: EngineSpec, sizes: list[Size], cache: Path | None = None) -> Networks:
    """Every engine of a model, from the cache (the user's own, unless another is named)."""

    def engine(component: models.Component, size: Size) -> Engine:
        return build.load(model, component, spec=spec, size=size, cache=cache)

    return Networks(
        text_encoder=engine("text_encoder", sizes[0]),
        unets={size: engine("unet", size) for size in sizes},
        decoders={size: engine("decoder", size) for size in sizes},
    )


def connect(networks: Networks, *, model: models.Model, capacity: int) -> Worker:
    """A worker over loaded engines, with what else the model supplies."""
    embeddings = Embeddings()
    prepare = Preparation(
        networks,
        schedule=Schedule.from_config(model.schedule),
        tokenize=PromptTokenizer(model.tokenizer, length=model.max_tokens),
        embeddings=embeddings,
    )
    stages = Stages(networks, capacity=capacity, embeddings=embeddings, preview=_preview_map(model))
    return Worker(stages, prepare=prepare)


def _preview_map(model: models.Model) -> PreviewMap | None:
    """The pair's map gives 0 to 1; `pixels` takes -1 to 1, like a decoder's output."""
    if model.preview is None:
        return None
    return PreviewMap(matrix=2.0 * model.preview.matrix, bias=2.0 * model.preview.bias - 1.0)
