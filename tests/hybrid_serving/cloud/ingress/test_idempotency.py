import asyncio

import httpx
import pytest

from hybrid_serving.cloud.ingress import idempotency, routes
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.idempotency import Answers, Recording, scope

PATH = "/v1/images/generations"
KEY = {"idempotency-key": "one"}
BODY = {"prompt": "a red circle"}


def race(service, scenario):
    async def run():
        transport = httpx.ASGITransport(routes.create(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await scenario(client)

    return asyncio.run(run())


def test_simultaneous_repeats_join_one_run(service, denoisers) -> None:
    async def scenario(client):
        return await asyncio.gather(*(client.post(PATH, json=BODY, headers=KEY) for _ in range(20)))

    answers = race(service, scenario)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(denoisers["large"].received) == 1


def test_a_later_repeat_gets_the_result(service, ask, denoisers) -> None:
    first = ask("POST", PATH, json=BODY, headers=KEY)
    again = ask("POST", PATH, json=BODY, headers=KEY)
    assert again.content == first.content
    assert len(denoisers["large"].received) == 1


def test_a_repeated_stream_is_replayed_from_its_beginning(ask, denoisers) -> None:
    body = {**BODY, "stream": True, "partial_images": 1}
    first = ask("POST", PATH, json=body, headers=KEY)
    again = ask("POST", PATH, json=body, headers=KEY)
    assert again.headers["content-type"] == "text/event-stream"
    assert again.text == first.text
    assert len(denoisers["large"].received) == 1


def test_without_a_key_every_request_runs(ask, denoisers) -> None:
    for _ in range(2):
        ask("POST", PATH, json=BODY)
    assert len(denoisers["large"].received) == 2


def test_a_key_with_another_body_is_refused(ask) -> None:
    ask("POST", PATH, json=BODY, headers=KEY)
    answer = ask("POST", PATH, json={**BODY, "seed": 1}, headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "ü"])
def test_keys_that_nobody_means_are_refused(ask, key) -> None:
    answer = ask("POST", PATH, json=BODY, headers={"idempotency-key": key.encode()})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "Idempotency-Key"


def test_keys_are_the_tenants_own(ask, denoisers, mounts) -> None:
    (mounts / "api-keys").mkdir()
    for tenant in ("a", "b"):
        (mounts / "api-keys" / tenant).write_text(f"key-{tenant}")
    for tenant in ("a", "b", "a"):
        ask("POST", PATH, json=BODY, headers={**KEY, "authorization": f"Bearer key-{tenant}"})
    assert len(denoisers["large"].received) == 2


def test_a_failure_is_not_kept(ask, denoisers) -> None:
    denoisers["large"].script.append(lambda work: ValueError("broken"))
    assert ask("POST", PATH, json=BODY, headers=KEY).status_code == 500
    assert ask("POST", PATH, json=BODY, headers=KEY).status_code == 200


def test_a_failure_reaches_everyone_who_joined(service, denoisers) -> None:
    denoisers["large"].script.append(lambda work: ValueError("broken"))

    async def scenario(client):
        return await asyncio.gather(*(client.post(PATH, json=BODY, headers=KEY) for _ in range(5)))

    assert {answer.status_code for answer in race(service, scenario)} == {500}
    assert len(denoisers["large"].received) == 1


def test_with_a_key_work_outlives_its_client_for_a_retry(service, denoisers, until) -> None:
    async def scenario(client):
        denoisers["large"].gate = asyncio.Event()
        first = asyncio.create_task(client.post(PATH, json=BODY, headers=KEY))
        await until(lambda: denoisers["large"].received)
        first.cancel()
        await asyncio.wait([first])
        retry = asyncio.create_task(client.post(PATH, json=BODY, headers=KEY))
        await asyncio.sleep(0)
        denoisers["large"].gate.set()
        return await retry

    assert race(service, scenario).status_code == 200
    assert len(denoisers["large"].received) == 1
    assert not denoisers["large"].cancelled


def test_work_that_nobody_returns_to_is_cancelled(service, denoisers, until, monkeypatch) -> None:
    monkeypatch.setattr(idempotency, "ORPHAN_SECONDS", 0.001)

    async def scenario(client):
        denoisers["large"].gate = asyncio.Event()
        first = asyncio.create_task(client.post(PATH, json=BODY, headers=KEY))
        await until(lambda: denoisers["large"].received)
        first.cancel()
        await until(lambda: denoisers["large"].cancelled)
        denoisers["large"].gate.set()
        return await client.post(PATH, json=BODY, headers=KEY)

    assert race(service, scenario).status_code == 200
    assert len(denoisers["large"].received) == 2


def fill(answers: Answers, count: int, *, size_bytes: int = 10) -> None:
    async def work(recording: Recording) -> None:
        recording.append(b"x" * size_bytes)

    async def scenario() -> None:
        for number in range(count):
            reader = answers.join(("t", "p", str(number)), body=b"", work=work)
            await reader.recording.started()
            await asyncio.sleep(0)

    asyncio.run(scenario())


@pytest.mark.parametrize("bounds", [{"entries": 5}, {"size_bytes": 50}, {"size_bytes": 59}])
def test_memory_is_bounded_and_the_oldest_go_first(bounds) -> None:
    answers = Answers(**bounds)
    fill(answers, 100)
    assert list(answers._entries) == [("t", "p", str(number)) for number in range(95, 100)]


def test_answers_age() -> None:
    now = [0.0]
    answers = Answers(age_seconds=60.0, clock=lambda: now[0])
    fill(answers, 3)
    now[0] = 61.0
    answers._prune()
    assert not answers._entries


def test_running_requests_are_not_forgotten() -> None:
    async def scenario() -> None:
        answers = Answers(entries=1)
        gate = asyncio.Event()

        async def slow(recording: Recording) -> None:
            await gate.wait()

        async def quick(recording: Recording) -> None:
            recording.append(b"x")

        first = answers.join(scope("t", "p", "slow"), body=b"", work=slow)
        for number in range(3):
            await answers.join(scope("t", "p", str(number)), body=b"", work=quick).recording.started()
            await asyncio.sleep(0)
        assert answers.join(scope("t", "p", "slow"), body=b"", work=quick).recording is first.recording
        gate.set()
        await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_cancelled_run_says_so() -> None:
    async def scenario() -> None:
        async def forever(recording: Recording) -> None:
            await asyncio.Event().wait()

        answers = Answers()
        with answers.join(None, body=b"", work=forever) as reader:
            await asyncio.sleep(0)
        with pytest.raises(ApiError, match="cancelled"):
            await reader.recording.started()

    asyncio.run(scenario())
