import asyncio
import pickle
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hybrid_serving import sampler, trajectory
from hybrid_serving.cloud.ticket import LoopEnded, QueueFull
from hybrid_serving.cloud.worker import Unhealthy
from hybrid_serving.protocol import Image, Preview, Released, Work

STEPS = range(4, 51)


def is_same(one: Image | Released, other: Image | Released) -> bool:
    """To the last bit."""
    if isinstance(one, Image) and isinstance(other, Image):
        return np.array_equal(one.pixels, other.pixels)
    assert isinstance(one, Released)
    assert isinstance(other, Released)
    return all(
        np.array_equal(a, b)
        for a, b in zip((one.state.x, *one.state.history), (other.state.x, *other.state.history), strict=True)
    )


def mixed(some_work: Callable[..., Work], *, count: int, seed: int) -> list[Work]:
    """Work of all samplers, with and without guidance, whole and split."""
    rng = random.Random(seed)

    def one(index: int) -> Work:
        steps = rng.choice(STEPS)
        return some_work(
            id=str(index),
            prompt=f"a {rng.choice(['red', 'green', 'blue'])} circle",
            seed=rng.getrandbits(64),
            sampler=rng.choice(sampler.SAMPLERS),
            steps=steps,
            stop=rng.choice([steps, rng.randint(1, steps)]),
            guidance_scale=rng.choice([1.0, 3.0, 7.5]),
            previews=rng.choice([0, 2]),
        )

    return [one(index) for index in range(count)]


async def together(worker: Any, works: list[Work], *, cancelled: set[int], seed: int) -> list[Any]:
    """Run everything at once; the chosen ones are cancelled at some moment."""
    rng = random.Random(seed)
    tasks = [asyncio.create_task(worker.run(work)) for work in works]

    async def cancel(index: int) -> None:
        for _ in range(rng.randint(0, 200)):
            await asyncio.sleep(0)
        tasks[index].cancel()

    await asyncio.gather(*(cancel(index) for index in cancelled))
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_whatever_runs_beside_it_an_image_is_the_same_also_after_a_restart(a_replica, some_work) -> None:
    works = mixed(some_work, count=64, seed=5)
    cancelled = set(random.Random(6).sample(range(64), 21))
    answers = asyncio.run(together(a_replica().worker, works, cancelled=cancelled, seed=7))
    restarted = a_replica().worker
    compared = 0
    for work, answer in zip(works, answers, strict=True):
        if not isinstance(answer, asyncio.CancelledError):
            compared += 1
            assert is_same(answer, asyncio.run(restarted.run(work)))
    assert compared >= 43


def test_a_released_state_is_the_one_that_the_trajectory_walks_to(a_replica, some_work) -> None:
    replica = a_replica()
    work = some_work(steps=8, stop=5)

    released = asyncio.run(replica.worker.run(work))

    assert isinstance(released, Released)
    assert released.reason == "split"
    text = released.conditioning["text"]
    assert text.shape == (2, 8, 6)

    def denoise(x, level):
        for row in range(2):
            replica.unet.hold(1000 + row, {"text": text[row]})
        arrays = {"sample": np.stack([x, x]), "level": np.full(2, level, dtype=np.float32)}
        return replica.unet(arrays, bucket=2, slots=[1000, 1001])["output"]

    table = sampler.compile_table(replica.schedule, sampler="dpmpp-2m", steps=8)
    start = trajectory.begin(work.settings, table=table, latent_shape=(4, 4, 4))
    expected = trajectory.run(start, table=table, stop=5, settings=work.settings, denoise=denoise)
    assert released.state.position == expected.position
    np.testing.assert_array_equal(released.state.x, expected.x)
    np.testing.assert_array_equal(released.state.history, expected.history)


@pytest.mark.parametrize("name", sampler.SAMPLERS)
@pytest.mark.parametrize("stop", range(5))
def test_a_split_image_equals_the_whole_one(a_replica, some_work, name, stop) -> None:
    first, second = a_replica().worker, a_replica().worker

    async def draw() -> tuple[Any, Any]:
        whole = await first.run(some_work(sampler=name))
        half = await first.run(some_work(sampler=name, stop=stop))
        return whole, await second.run(some_work(sampler=name, state=half.state, conditioning=half.conditioning))

    whole, joined = asyncio.run(draw())
    np.testing.assert_array_equal(whole.pixels, joined.pixels)


def test_a_network_that_takes_the_guidance_scale_needs_one_row_a_step(a_replica, some_work) -> None:
    worker = a_replica(guidance_width=8).worker

    async def draw(scale: float) -> tuple[Any, Any, Any]:
        whole = await worker.run(some_work(guidance_scale=scale))
        half = await worker.run(some_work(guidance_scale=scale, stop=2))
        rest = some_work(guidance_scale=scale, state=half.state, conditioning=half.conditioning)
        return whole, half, await worker.run(rest)

    whole, half, joined = asyncio.run(draw(7.5))
    assert whole.usage.rows["step"] == 5
    assert half.conditioning["guidance"].shape == (1, 8)
    np.testing.assert_array_equal(whole.pixels, joined.pixels)
    assert not np.array_equal(whole.pixels, asyncio.run(draw(2.0))[0].pixels)


def test_where_the_bucket_belongs_to_the_domain_no_other_is_called(a_replica, some_work) -> None:
    replica = a_replica(domain_bucket=4)

    async def draw() -> None:
        await asyncio.gather(*(replica.worker.run(some_work(seed=seed)) for seed in range(5)))

    asyncio.run(draw())
    assert {bucket for _, bucket in replica.unet.calls} == {4}


def test_usage_tells_what_ran_where(a_replica, some_work) -> None:
    worker = a_replica().worker

    async def draw() -> tuple[Any, Any]:
        half = await worker.run(some_work(stop=2))
        return half, await worker.run(some_work(state=half.state, conditioning=half.conditioning))

    half, rest = asyncio.run(draw())
    assert half.usage.rows == {"encode": 2, "step": 4}
    assert rest.usage.rows == {"step": 6, "decode": 1}
    assert all(nanoseconds > 0 for nanoseconds in rest.usage.nanoseconds.values())


def test_a_prompt_of_late_is_not_encoded_and_not_booked_again(a_replica, some_work) -> None:
    replica = a_replica()

    async def draw() -> list[Any]:
        return [await replica.worker.run(some_work(seed=seed)) for seed in (1, 1)]

    first, second = asyncio.run(draw())
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert len(replica.text_encoder.calls) == 1
    assert "encode" not in second.usage.rows


def test_previews_come_before_the_image(a_replica, some_work) -> None:
    worker = a_replica().worker

    async def collect() -> list[Any]:
        return [item async for item in worker.stream(some_work(steps=9, previews=2))]

    *previews, image = asyncio.run(collect())
    assert isinstance(image, Image)
    assert all(isinstance(preview, Preview) for preview in previews)
    assert previews[-1].index == 1
    assert previews[-1].pixels.shape == (32, 32, 3)
    assert image.usage.rows["preview"] == 2


def test_a_slow_reader_gets_only_the_newest_preview(a_replica, some_work) -> None:
    worker = a_replica().worker

    async def collect() -> list[Any]:
        stream = worker.stream(some_work(steps=30, previews=9))
        items = [await anext(stream)]
        while (await worker.load()).rows:
            pass
        return items + [item async for item in stream]

    *previews, image = asyncio.run(collect())
    assert isinstance(image, Image)
    assert previews[-1].index == 8
    assert len(previews) <= 3


def test_a_pair_without_a_preview_map_sends_none(a_replica, some_work) -> None:
    worker = a_replica(preview=False).worker

    async def collect() -> list[Any]:
        return [item async for item in worker.stream(some_work(previews=2))]

    assert len(asyncio.run(collect())) == 1


def test_cancelling_the_caller_cancels_the_work(a_replica, some_work) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold_up(network: str, rows: int) -> None:
        if network == "unet":
            reached.set()
            assert opened.wait(30)

    replica = a_replica(before=hold_up)

    async def start_and_cancel() -> None:
        task = asyncio.create_task(replica.worker.run(some_work(steps=50)))
        await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        opened.set()
        assert (await replica.worker.load()).rows == 0

    asyncio.run(start_and_cancel())
    assert len(replica.unet.calls) == 1


def test_a_reader_that_leaves_the_stream_cancels_the_work(a_replica, some_work) -> None:
    replica = a_replica()

    async def leave_early() -> None:
        stream = replica.worker.stream(some_work(steps=50, previews=9))
        await anext(stream)
        await stream.aclose()
        while (await replica.worker.load()).rows:
            pass

    asyncio.run(leave_early())


def test_the_load_is_what_is_left(a_replica, some_work) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold_up(network: str, rows: int) -> None:
        if network == "text-encoder":
            reached.set()
            assert opened.wait(30)

    replica = a_replica(before=hold_up, milliseconds={2: 4.0})

    async def ask() -> Any:
        task = asyncio.create_task(replica.worker.run(some_work(steps=5)))
        await asyncio.to_thread(reached.wait, 30)
        question = asyncio.create_task(replica.worker.load())
        await asyncio.sleep(0)
        opened.set()
        load = await question
        await task
        return load

    load = asyncio.run(ask())
    assert load.rows == 10
    assert load.milliseconds == pytest.approx(10 * 2.0 + 2.0), "ten rows of steps and one decoding"


def test_the_description_is_plain_values(a_replica) -> None:
    described = a_replica().worker.describe()
    assert described["latent_shape"] == [4, 4, 4]
    assert described["buckets"] == [1, 2, 4, 8, 16]
    assert described["milliseconds"][16] == 8.5
    assert described["domain"] == described["sizes"]["32x32"]["domain"]
    assert described["is_batch_invariant"] is True


def test_a_working_replica_is_healthy(a_replica) -> None:
    asyncio.run(a_replica().worker.check())


def test_a_replica_whose_loop_ended_is_not(a_replica) -> None:
    worker = a_replica().worker
    worker.close()
    with pytest.raises(Unhealthy, match="has ended"):
        asyncio.run(worker.check())


def test_a_replica_in_a_long_call_is_healthy_at_once(a_replica, some_work) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold_up(network: str, rows: int) -> None:
        reached.set()
        assert opened.wait(30)

    replica = a_replica(before=hold_up)
    replica.worker.patience_seconds = 25.0

    async def check() -> None:
        task = asyncio.create_task(replica.worker.run(some_work()))
        early = asyncio.create_task(replica.worker.check())
        await asyncio.to_thread(reached.wait, 30)
        try:
            await asyncio.wait_for(replica.worker.check(), 5.0)
            await asyncio.wait_for(early, 5.0)
        finally:
            opened.set()
        await task

    asyncio.run(check())


def test_a_replica_whose_engine_is_stuck_is_not(a_replica, some_work) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold_up(network: str, rows: int) -> None:
        reached.set()
        assert opened.wait(30)

    replica = a_replica(before=hold_up)
    replica.worker.patience_seconds = 0.05

    async def check() -> None:
        task = asyncio.create_task(replica.worker.run(some_work()))
        await asyncio.to_thread(reached.wait, 30)
        await asyncio.sleep(2 * replica.worker.patience_seconds)
        try:
            with pytest.raises(Unhealthy, match="has lasted"):
                await replica.worker.check()
        finally:
            opened.set()
        await task

    asyncio.run(check())


def test_refusals_survive_the_way_to_another_process() -> None:
    refusal = pickle.loads(pickle.dumps(QueueFull(12.5)))
    assert refusal.wait_seconds == 12.5
    assert str(refusal) == str(QueueFull(12.5))
    assert str(pickle.loads(pickle.dumps(LoopEnded("gone")))) == "gone"


def test_a_full_queue_is_told_to_the_caller(a_replica, some_work) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold_up(network: str, rows: int) -> None:
        reached.set()
        assert opened.wait(30)

    replica = a_replica(before=hold_up, milliseconds={2: 1000.0})
    replica.worker.wait_limit_seconds = 5.0

    async def ask() -> None:
        first = asyncio.create_task(replica.worker.run(some_work(steps=50)))
        await asyncio.to_thread(reached.wait, 30)
        second = asyncio.create_task(replica.worker.run(replace(some_work(), id="second")))
        await asyncio.sleep(0)
        opened.set()
        with pytest.raises(QueueFull):
            await second
        first.cancel()

    asyncio.run(ask())
