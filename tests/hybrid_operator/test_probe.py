"""The questions: what counts as an answer, as a picture, as idle."""

import asyncio
import base64
import json
import struct
import zlib
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hybrid_operator import probe
from hybrid_operator.cluster_errors import Unreachable
from hybrid_operator.observed import Answer, Paces, Verdict
from hybrid_operator.probe import Address

POD = {"metadata": {"name": "ingress-0", "namespace": "default"}, "status": {"podIP": "10.0.0.1"}}
ADDRESS = Address("default", "pods/ingress-0", "10.0.0.1")


class Scripted:
    """Answers once, and remembers what was asked."""

    def __init__(self, status: int = 200, content: bytes = b"", *, error: Exception | None = None) -> None:
        self._answer, self._error = (status, content), error
        self.asked: dict[str, Any] = {}

    async def ask(self, address: Address, **asked: Any) -> tuple[int, bytes]:
        self.asked = {"address": address, **asked}
        if self._error:
            raise self._error
        return self._answer


def a_png(*, height: int = 2, cut: int = 0, end: bytes = b"IEND") -> bytes:
    rows = (b"\0" + b"\1\2\3" * 2) * height
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows[: len(rows) - cut])),
        (end, b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def answered(image: bytes) -> bytes:
    return json.dumps({"data": [{"b64_json": base64.b64encode(image).decode()}]}).encode()


def drawn(caller: Scripted) -> Answer:
    return asyncio.run(
        probe.is_drawing(caller, ADDRESS, model="shapes", most_steps=100, key="secret", timeout_seconds=1)
    )


def test_a_picture_proves_it() -> None:
    caller = Scripted(content=answered(a_png()))
    assert drawn(caller).verdict is Verdict.PASSED
    assert caller.asked["body"]["model"] == "shapes"
    assert caller.asked["key"] == "secret"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"{}",
        b'{"data": []}',
        answered(b""),
        answered(b"GIF89a"),
        answered(a_png(cut=3)),
        answered(a_png(end=b"tEXt")),
        answered(a_png()[:40]),
    ],
    ids=["empty", "no json", "no data", "no image", "empty image", "no png", "pixels lack", "no end", "cut"],
)
def test_anything_else_does_not(content: bytes) -> None:
    assert not probe.is_picture(content)
    answer = drawn(Scripted(content=content))
    assert answer.verdict is Verdict.FAILED
    assert "no PNG" in answer.message


def test_a_refusal_is_told_with_its_status_and_words() -> None:
    answer = drawn(Scripted(401, b'{"error": "no such key"}'))
    assert answer == Answer(verdict=Verdict.FAILED, message='status 401: {"error": "no such key"}')


def test_too_many_requests_say_nothing_of_whether_it_draws() -> None:
    assert drawn(Scripted(429, b"later")) == Answer(verdict=Verdict.BUSY, message="status 429: later")


@pytest.mark.parametrize("error", [TimeoutError(), Unreachable("reset"), OSError("refused")])
def test_no_answer_is_a_failure_with_a_reason(error: Exception) -> None:
    answer = asyncio.run(probe.is_answering(Scripted(error=error), ADDRESS))
    assert answer.verdict is Verdict.FAILED
    assert answer.message


def test_no_more_steps_are_asked_for_than_the_resource_allows() -> None:
    caller = Scripted(content=answered(a_png()))
    asyncio.run(probe.is_drawing(caller, ADDRESS, model="shapes", most_steps=2, key=None, timeout_seconds=1))
    assert caller.asked["body"]["steps"] == 2


METRICS = b"""# TYPE haproxy_backend_current_sessions gauge
haproxy_backend_current_sessions{proxy="http-shapes"} 3
haproxy_backend_current_sessions{proxy="default_backend"} 1
haproxy_frontend_current_sessions{proxy="http_frontend"} 90
"""


def test_what_is_in_flight_is_what_backends_work_on() -> None:
    assert asyncio.run(probe.in_flight(Scripted(content=METRICS), ADDRESS)) == 4


@pytest.mark.parametrize("caller", [Scripted(404), Scripted(content=b"nothing"), Scripted(error=OSError("refused"))])
def test_a_proxy_that_does_not_tell_is_not_idle(caller: Scripted) -> None:
    assert asyncio.run(probe.in_flight(caller, ADDRESS)) is None


def test_addresses_of_pods_and_services() -> None:
    assert probe.of_pod(POD) == ADDRESS
    assert probe.of_service("shapes", namespace="default").host == "shapes.default.svc"
    sixth = {**POD, "status": {"podIP": "fd00::1"}}
    assert probe.of_pod(sixth).host == "[fd00::1]"


def an_answer(**cost: Any) -> bytes:
    told = {
        "nanoseconds": {"large": 34_000_000, "small": 26_000_000},
        "rows": {"large": {"encode": 2, "step": 4}, "small": {"step": 4, "decode": 1}},
        "all_cloud_inputs": {"encode_nanoseconds": 2_000_000, "decode_nanoseconds": 10_000_000},
    }
    return json.dumps({"hybrid": {"cost": told | cost}}).encode()


def test_the_picture_that_proves_a_revision_tells_how_fast_it_is() -> None:
    paces = Paces(encode=2_000_000, decode=10_000_000, steps={"large": 8_000_000, "small": 4_000_000})
    assert probe.paces_in(an_answer()) == paces


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        an_answer(all_cloud_inputs=None),
        an_answer(rows={}),
        an_answer(nanoseconds=None),
        an_answer(nanoseconds={"large": "fast"}),
        an_answer(rows={"large": {}, "small": {}}),
    ],
)
def test_an_answer_that_says_too_little_tells_no_pace(content: bytes) -> None:
    assert probe.paces_in(content) is None


def test_a_hundred_pictures_that_are_waited_for_hold_no_other_question_up() -> None:
    questions = 110

    async def story() -> None:
        arrived, all_there = 0, asyncio.Event()

        async def answer(_: web.Request) -> web.Response:
            nonlocal arrived
            arrived += 1
            if arrived == questions:
                all_there.set()
            await all_there.wait()
            return web.Response()

        application = web.Application()
        application.router.add_get("/", answer)
        async with TestServer(application) as server, probe.open_session() as session:
            caller, address = probe.DirectCaller(session), Address("default", "pods/ingress-0", "127.0.0.1")
            asked = {"port": server.port, "method": "GET", "path": "/", "body": None, "key": None}
            answers = [caller.ask(address, **asked, timeout_seconds=10) for _ in range(questions)]  # type: ignore[arg-type]  # by name
            assert {status for status, _ in await asyncio.gather(*answers)} == {200}

    asyncio.run(story())
