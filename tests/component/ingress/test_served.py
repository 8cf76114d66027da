"""The ingress inside real Ray Serve: what only its handles, its proxy and its replicas can show."""

import asyncio
import concurrent.futures
import contextlib
import os
import signal

import httpx
import pytest

pytestmark = pytest.mark.component

IMAGES = "/v1/images/generations"


def test_a_picture_is_drawn_through_both_segments(client) -> None:
    answer = client.post(IMAGES, json={"prompt": "a red circle", "seed": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["system_fingerprint"] == "large-small"


def test_the_request_id_is_returned_once(client) -> None:
    for headers, check in (({"x-request-id": "mine"}, "mine".__eq__), ({}, bool)):
        (returned,) = client.get("/healthz", headers=headers).headers.get_list("x-request-id")
        assert check(returned)


def test_previews_are_streamed_through_serve(client) -> None:
    body = {"prompt": "a red circle", "stream": True, "partial_images": 2}
    with client.stream("POST", IMAGES, json=body) as answer:
        names = [line for line in answer.iter_lines() if line.startswith("event:")]
    assert names[-1] == "event: image_generation.completed"
    assert "event: image_generation.partial_image" in names


def test_a_handoff_is_given_out_and_taken_back(client) -> None:
    handoff = client.post("/v1/handoffs", json={"prompt": "a red circle", "seed": 3})
    assert handoff.status_code == 200, handoff.text
    finished = client.post("/v1/handoffs/finish", content=handoff.content)
    whole = client.post(IMAGES, json={"prompt": "a red circle", "seed": 3})
    assert finished.json()["data"] == whole.json()["data"]


def test_a_full_queue_is_a_429_with_its_wait(client) -> None:
    answer = client.post(IMAGES, json={"prompt": "queue full"})
    assert answer.status_code == 429, answer.text
    assert answer.headers["retry-after"] == "8"


def test_errors_of_serve_itself_do_not_reach_clients(client) -> None:
    answer = client.post(IMAGES, json={"prompt": "a", "seed": -1})
    assert answer.json()["error"]["param"] == "seed"
    assert client.get("/v1/none").json()["error"]["code"] == "not_found"


def test_capabilities_learn_from_running_engines(client, until) -> None:
    until(lambda: client.get("/v1/capabilities").json()["segments"][0]["domain"] == "large", what="the description")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_cancels_its_work(running, until, stream) -> None:
    diary = running.mounts / "diary"

    async def ask_and_leave() -> None:
        diary.write_text("")
        async with httpx.AsyncClient(base_url=running.url, headers=running.headers, timeout=60) as client:
            asking = asyncio.create_task(client.post(IMAGES, json={"prompt": "slow", "stream": stream}))
            await asyncio.to_thread(until, lambda: diary.read_text() == "started\n", what="the work")
            asking.cancel()
            await asyncio.wait([asking])

    def is_cancelled() -> bool:
        asyncio.run(ask_and_leave())
        with contextlib.suppress(AssertionError):
            until(lambda: diary.read_text() == "started\ncancelled\n", what="the cancellation", seconds=2)
            return True
        return False

    # In its first seconds HAProxy goes through Serve's fallback proxy, which does not see every client leave.
    until(is_cancelled, what="a cancellation", seconds=60)


def test_clients_cannot_steer_serve(client) -> None:
    headers = {"x-request-timeout-seconds": "0.001", "x-request-disconnect-disabled": "?1"}
    assert client.post(IMAGES, json={"prompt": "a red circle"}, headers=headers).status_code == 200


def draw(running, seed: int) -> tuple[int, str]:
    body = {"prompt": "a red circle", "seed": seed, "steps": 50, "stream": seed % 2 == 1}
    with httpx.Client(base_url=running.url, headers=running.headers, timeout=60) as client:
        answer = client.post(IMAGES, json=body)
        return answer.status_code, answer.text.split('"b64_json":"')[-1].split('"')[0]


@pytest.mark.parametrize("segment", ["large", "small"])
def test_a_killed_denoiser_replica_is_not_seen_by_clients(running, until, segment) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        calm = list(pool.map(lambda seed: draw(running, seed), range(16)))
        until(lambda: len(running.replicas(segment)) == 2, what="two replicas")
        jobs = [pool.submit(draw, running, seed) for seed in range(16)]
        concurrent.futures.wait(jobs, return_when=concurrent.futures.FIRST_COMPLETED)
        os.kill(running.replicas(segment)[0]["pid"], signal.SIGKILL)
        disturbed = [job.result() for job in jobs]
    assert {status for status, _ in calm} == {200}
    assert disturbed == calm
