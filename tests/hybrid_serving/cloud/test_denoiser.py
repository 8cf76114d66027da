"""The Serve shell around a fake replica, without Serve."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybrid_api import documents, serve_config
from hybrid_serving.protocol import Image, Preview, Released

SAMPLE = Path(__file__).resolve().parents[3] / "e2e" / "samples" / "shapes.yaml"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def halves() -> tuple[dict[str, Any], dict[str, Any]]:
    """The fixed and the tunable half of the sample."""
    loaded = documents.load_documents(SAMPLE.read_text())
    resource = loaded.resource
    return serve_config.fixed_half(resource), serve_config.tunable_half(resource, prices=loaded.prices())


@pytest.fixture
def start(a_replica, halves, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Starts the deployment's class for a segment, over a fake replica."""
    from hybrid_serving.cloud import denoiser

    made: list[Any] = []
    monkeypatch.setattr(denoiser, "_replica_id", lambda: "mine")
    monkeypatch.setattr(denoiser, "_serve_status", dict)

    def start(segment: str = "large", **options: Any) -> Any:
        replica = a_replica(**options)
        monkeypatch.setattr(denoiser.assembly, "worker", lambda fixed, *, segment: replica.worker)
        shell = denoiser.Denoiser.func_or_class(halves[0], segment)
        shell.reconfigure(halves[1])
        made.append(shell)
        return shell

    yield start
    for shell in made:
        shell._watch.stop()


def test_work_is_run_and_streamed(start, some_work) -> None:
    shell = start()

    async def both() -> tuple[Any, list[Any]]:
        return await shell.run(some_work(stop=2)), [item async for item in shell.stream(some_work(steps=9, previews=1))]

    released, items = asyncio.run(both())
    assert isinstance(released, Released)
    assert [type(item) for item in items] == [Preview, Image]


def test_a_stream_is_a_generator_as_serve_wants_it(start) -> None:
    assert inspect.isasyncgenfunction(start().stream)


def test_a_description_names_the_segment(start) -> None:
    described = asyncio.run(start("small").describe())
    assert described["segment"] == "small"
    assert described["buckets"] == [1, 2, 4, 8, 16]


def test_a_drained_replica_releases_what_comes(start, some_work) -> None:
    shell = start()

    async def drain_and_run() -> Any:
        await shell.drain()
        return await shell.run(some_work())

    assert asyncio.run(drain_and_run()).reason == "drain"


def test_statistics_are_floats_and_carry_the_queue_target(start) -> None:
    told = asyncio.run(start().record_autoscaling_stats())
    assert told == {
        "outstanding_milliseconds": 0.0,
        "accepted_rows": 0.0,
        "row_milliseconds": pytest.approx(8.5 / 16),
        "queue_target_milliseconds": 1000.0,
    }
    assert all(type(value) is float for value in told.values()), "a wrong type would silence them for good"


def test_a_segment_with_a_fixed_number_of_replicas_has_no_queue_target(start) -> None:
    told = asyncio.run(start("small").record_autoscaling_stats())
    assert told["queue_target_milliseconds"] == 0.0


def test_a_replica_whose_loop_ended_is_unhealthy(start) -> None:
    shell = start()
    asyncio.run(shell.check_health())
    shell._worker.close()
    with pytest.raises(RuntimeError, match="has ended"):
        asyncio.run(shell.check_health())
