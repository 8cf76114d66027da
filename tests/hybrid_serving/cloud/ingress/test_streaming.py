"""Server-sent events, read by a plain client; the official one is in `test_openai_client`."""

import asyncio
import json

import httpx
import pytest

from hybrid_serving.cloud.ingress import events, routes
from hybrid_serving.cloud.ingress.idempotency import Recording
from hybrid_serving.cloud.ingress.respond import _stream
from hybrid_serving.protocol import Preview

PATH = "/v1/images/generations"


def stream(ask, **body) -> tuple[httpx.Response, list[dict]]:
    answer = ask("POST", PATH, json={"prompt": "a red circle", "stream": True, **body})
    return answer, parse(answer.text)


def parse(text: str) -> list[dict]:
    parsed = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            parsed.append(event)
    return parsed


def test_previews_come_first_and_the_picture_last(ask) -> None:
    answer, found = stream(ask, partial_images=2, split=25, quality="high")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    *partial, completed = found
    assert {event["type"] for event in partial} == {events.PARTIAL}
    assert completed["type"] == events.COMPLETED
    # The first may be overtaken by the second while it is encoded, the last never.
    assert [event["partial_image_index"] for event in partial] in ([0, 1], [1])
    for event in found:
        assert (event["size"], event["quality"], event["background"], event["output_format"]) == (
            "64x64",
            "high",
            "opaque",
            "png",
        )
        assert isinstance(event["created_at"], int)
    assert found[-1]["usage"]["total_tokens"] == 67
    assert found[-1]["usage"]["output_tokens_details"] == {"text_tokens": 0, "image_tokens": 64}
    assert found[-1]["hybrid"]["cost"]["rows"]


@pytest.mark.parametrize("partial_images", [None, 0])
def test_without_previews_there_is_one_event(ask, partial_images) -> None:
    _, found = stream(ask, partial_images=partial_images)
    assert [event["type"] for event in found] == [events.COMPLETED]


def test_the_streamed_picture_is_the_one_of_the_plain_answer(ask) -> None:
    _, (event,) = stream(ask, seed=7)
    plain = ask("POST", PATH, json={"prompt": "a red circle", "seed": 7}).json()
    assert event["b64_json"] == plain["data"][0]["b64_json"]


def test_several_images_each_complete_with_their_index(ask) -> None:
    _, found = stream(ask, n=3, partial_images=1, split=25)
    completed = [event for event in found if event["type"] == events.COMPLETED]
    assert sorted(event["image_index"] for event in completed) == [0, 1, 2]
    assert {event["image_index"] for event in found if event["type"] == events.PARTIAL} == {0, 1, 2}


def test_a_failure_before_the_first_event_has_its_status(ask, denoisers) -> None:
    denoisers["large"].script.append(lambda work: ValueError("broken"))
    answer = ask("POST", PATH, json={"prompt": "a", "stream": True})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"


def test_a_failure_after_the_first_event_is_an_event(ask, denoisers) -> None:
    denoisers["large"].script.append(lambda work: ValueError("broken"))
    answer, found = stream(ask, partial_images=1)
    assert answer.status_code == 200
    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["code"] == "internal_error"


def test_a_repeated_stretch_does_not_repeat_its_previews(ask, denoisers) -> None:
    from hybrid_serving.cloud.ingress.dispatch import ReplicaLost

    denoisers["large"].script.append(lambda work: ReplicaLost("killed"))
    _, found = stream(ask, partial_images=2, split=25)
    assert [event.get("partial_image_index") for event in found] in ([0, 1, None], [1, None])


def test_a_silent_stream_is_kept_alive_by_comments() -> None:
    async def scenario() -> list[bytes]:
        recording = Recording()
        recording.append(b"first")
        chunks: list[bytes] = []

        async def read() -> None:
            async for chunk in _stream(recording, idle_seconds=0.001):
                chunks.append(chunk)
                if chunk == events.KEEP_ALIVE and not recording.is_closed:
                    recording.append(b"last")
                    recording.close()

        await read()
        return chunks

    assert asyncio.run(scenario()) == [b"first", events.KEEP_ALIVE, b"last"]


def test_a_slow_reader_gets_the_newest_preview_only() -> None:
    async def scenario() -> list[bytes | None]:
        recording = Recording()
        for name in (b"old", b"new"):
            recording.append(name, topic="partial-0")
        recording.append(b"other", topic="partial-1")
        recording.append(b"done")
        recording.close()
        return [chunk async for chunk in recording.follow()]

    assert asyncio.run(scenario()) == [b"new", b"other", b"done"]


def test_a_client_that_leaves_cancels_the_work(service, denoisers, until) -> None:
    denoisers["large"].gate = asyncio.Event()
    app = routes.create(service)

    async def scenario() -> None:
        asked = asyncio.Event()
        messages = [{"type": "http.request", "body": b'{"prompt": "a"}', "more_body": False}]

        async def receive() -> dict:
            if messages:
                return messages.pop()
            await until(lambda: denoisers["large"].received)
            asked.set()
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            raise AssertionError(f"nobody is there to get {message}")

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers, "query_string": b""}
        await app(scope, receive, send)
        assert asked.is_set()
        await until(lambda: denoisers["large"].cancelled)

    asyncio.run(scenario())


def test_previews_may_be_offered_faster_than_they_are_sent() -> None:
    from hybrid_serving.cloud.ingress.previews import Feed

    async def scenario() -> list[int]:
        sent: list[int] = []

        async def send(preview: Preview) -> None:
            await asyncio.sleep(0)
            sent.append(preview.index)

        feed = Feed(send)
        for index in (0, 1, 2, 2, 1):
            feed.offer(Preview(index, None))
        await feed.settle()
        feed.offer(Preview(3, None))
        await feed.settle()
        return sent

    assert asyncio.run(scenario()) == [2, 3]
