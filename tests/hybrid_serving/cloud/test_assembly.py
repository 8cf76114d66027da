"""A whole replica over real engines (OpenVINO, float32): what the fakes of the other tests only promise."""

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from hybrid_api import documents, segments, serve_config
from hybrid_engines import build, models
from hybrid_engines.backends.selection import OFFERS
from hybrid_engines.spec import BackendName, BackendUnavailable, EngineError, EngineSpec, Graph, Precision
from hybrid_serving import sampler
from hybrid_serving.cloud import assembly
from hybrid_serving.cloud.worker import Worker
from hybrid_serving.protocol import Image, Released, Work

SIZE = (64, 64)
SPEC = EngineSpec(backend="openvino", precision="f32", batch_sizes=(1, 2, 4, 8, 16), threads=2)
STORE = Path(__file__).resolve().parents[3] / ".engine_cache"
SAMPLE = STORE.parent / "e2e" / "samples" / "shapes.yaml"


BACKENDS, PRECISIONS, GRAPHS = (get_args(each) for each in (segments.Backend, segments.Precision, segments.Graph))
ASKED = [*itertools.product(BACKENDS, PRECISIONS, GRAPHS)]


def is_offered(backend: str, precision: str, graph: str) -> bool:
    if backend == "Auto":
        return True
    offer = OFFERS[backend.lower()]
    return {precision.lower(), graph.lower()} <= {"auto", *offer.precisions, *offer.graphs}


@pytest.mark.parametrize(("backend", "precision", "graph"), [asked for asked in ASKED if not is_offered(*asked)])
def test_what_a_backend_lacks_cannot_be_asked_for(backend: Any, precision: Any, graph: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a (precision|graph) of the backend"):
        segments.Engine(backend=backend, precision=precision, graph=graph)


@pytest.mark.parametrize(("backend", "precision", "graph"), [asked for asked in ASKED if is_offered(*asked)])
def test_every_engine_that_the_resource_can_ask_for_is_one(backend: Any, precision: Any, graph: Any) -> None:
    asked = segments.Engine(backend=backend, precision=precision, graph=graph, batch_sizes=(8, 1, 2), threads=3)
    spec = assembly.engine_spec(asked)
    assert (spec.backend, spec.precision, spec.graph) == (backend.lower(), precision.lower(), graph.lower())
    assert (spec.batch_sizes, spec.threads) == ((1, 2, 8), 3)


def test_the_resource_names_every_backend_precision_and_graph_that_there_is() -> None:
    assert {name.lower() for name in BACKENDS} == set(get_args(BackendName))
    assert {name.lower() for name in PRECISIONS} == set(get_args(Precision))
    assert {name.lower() for name in GRAPHS} == set(get_args(Graph))


@pytest.fixture(scope="module")
def start() -> Callable[[], Worker]:
    """Starts a replica of the built-in large network, as after a restart."""
    model = models.open_model("builtin://shapes/large")
    for component in ("unet", "text_encoder", "decoder"):
        build.ensure(model, component, spec=SPEC, size=SIZE, cache=STORE)

    def start() -> Worker:
        networks = assembly.load(model, spec=SPEC, sizes=[SIZE], cache=STORE)
        return assembly.connect(networks, model=model, capacity=64)

    return start


def mixed(some_work: Callable[..., Work], *, count: int) -> list[Work]:
    """Work of every sampler, from 4 to 50 steps, guided or not, whole or up to some split."""
    rng = random.Random(11)

    def one(index: int) -> Work:
        steps = rng.randint(4, 50)
        return some_work(
            id=str(index),
            prompt=f"a {rng.choice(['red', 'green', 'blue'])} circle",
            negative_prompt=rng.choice(["", "a square"]),
            seed=rng.getrandbits(64),
            sampler=rng.choice(sampler.SAMPLERS),
            steps=steps,
            stop=rng.choice([steps, rng.randint(1, steps)]),
            guidance_scale=rng.choice([1.0, 3.0, 7.5]),
            width=SIZE[0],
            height=SIZE[1],
        )

    return [one(index) for index in range(count)]


def bits(answer: Image | Released) -> list[bytes]:
    """Everything of an answer that decides the picture."""
    if isinstance(answer, Image):
        return [answer.pixels.tobytes()]
    conditioning = [answer.conditioning[name].tobytes() for name in sorted(answer.conditioning)]
    return [answer.state.x.tobytes(), *(past.tobytes() for past in answer.state.history), *conditioning]


async def crowded(worker: Worker, works: list[Work]) -> list[Any]:
    """All at once, but for small delays; a third is cancelled at random moments."""
    rng = random.Random(12)
    tasks = [asyncio.create_task(worker.run(work)) for work in works]

    async def cancel(task: asyncio.Task[Any]) -> None:
        await asyncio.sleep(rng.random() * 3)
        task.cancel()

    await asyncio.gather(*(cancel(task) for task in rng.sample(tasks, len(tasks) // 3)))
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.component
@pytest.mark.timeout(600)
def test_sixty_four_images_at_once_are_each_what_they_are_alone_and_after_a_restart(start, some_work) -> None:
    works = mixed(some_work, count=64)
    worker = start()
    answers = asyncio.run(crowded(worker, works))
    worker.close()
    alone = start()
    finished = [each for each in zip(works, answers, strict=True) if not isinstance(each[1], asyncio.CancelledError)]
    assert len(finished) >= 64 - 64 // 3
    for work, answer in finished:
        assert bits(asyncio.run(alone.run(work))) == bits(answer)
    alone.close()


@pytest.mark.component
def test_a_picture_does_not_depend_on_where_it_was_split(start, some_work) -> None:
    first, second = start(), start()
    work = some_work(steps=6, width=SIZE[0], height=SIZE[1])

    async def draw(stop: int) -> Any:
        half = await first.run(replace(work, stop=stop))
        return await second.run(replace(work, state=half.state, conditioning=half.conditioning))

    whole = asyncio.run(first.run(work))
    for stop in range(6):
        np.testing.assert_array_equal(asyncio.run(draw(stop)).pixels, whole.pixels)
    first.close()
    second.close()


def test_tensorrt_without_a_gpu_is_one_sentence() -> None:
    tensorrt = pytest.importorskip("hybrid_engines.backends.tensorrt")
    try:
        tensorrt.device()
    except BackendUnavailable:
        pass
    else:
        pytest.skip("there is a GPU that runs it")
    resource = documents.load_documents(SAMPLE.read_text()).resource.manifest()
    resource["spec"]["segments"][0]["engine"]["backend"] = "TensorRT"
    fixed = serve_config.read_fixed(serve_config.fixed_half(documents.parse(resource)))
    with pytest.raises(EngineError, match="No NVIDIA GPU can be used here") as raised:
        assembly.worker(fixed, segment="large")
    assert "\n" not in str(raised.value)
