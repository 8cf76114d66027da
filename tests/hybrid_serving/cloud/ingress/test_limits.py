"""The body limit as bare ASGI: what it lets through, what it answers, and that it does not read on."""

import asyncio
import gc
import json
import tracemalloc

import fastapi
import pytest

from hybrid_serving.cloud.ingress.limits import BodyLimit

LIMIT = 100


class Client:
    """Sends `chunks` as a body, counts how many the server took, and how many before it began to answer."""

    def __init__(self, *chunks: bytes, declared: str | None = None) -> None:
        self.left = list(chunks)
        self.taken = 0
        self.taken_before_answer = 0
        self.sent: list[dict] = []
        self.headers = [] if declared is None else [(b"content-length", declared.encode())]

    async def receive(self) -> dict:
        self.taken += 1
        body = self.left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.left)}

    async def send(self, message: dict) -> None:
        if not self.sent:
            self.taken_before_answer = self.taken
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]


async def reads_all(scope: dict, receive, send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    await answers(200, body, send)


async def swallows_errors(scope: dict, receive, send) -> None:
    """Like a framework that makes an answer of its own of whatever fails while a body is read."""
    try:
        await reads_all(scope, receive, send)
    except Exception:  # noqa: BLE001  # that is the point
        await answers(400, b"broken", send)


async def answers(status: int, body: bytes, send) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


def serve(client: Client, app=reads_all) -> Client:
    scope = {"type": "http", "path": "/", "headers": client.headers}
    asyncio.run(BodyLimit(app, limit_bytes=lambda: LIMIT)(scope, client.receive, client.send))
    return client


def test_a_body_of_exactly_the_limit_passes() -> None:
    client = serve(Client(b"x" * 60, b"x" * 40, declared="100"))
    assert client.status == 200
    assert client.sent[1]["body"] == b"x" * 100


@pytest.mark.parametrize("declared", ["101", "1" * 400, "-1", "1e3", "²"])
def test_a_declared_length_above_the_limit_is_refused_unread(declared: str) -> None:
    client = serve(Client(b"x" * 60, b"x" * 60, declared=declared))
    assert client.status == 413
    assert client.taken_before_answer == 0
    assert (b"connection", b"close") in client.sent[0]["headers"]
    error = json.loads(client.sent[1]["body"])["error"]
    assert error["code"] == "request_too_large"
    assert "100 bytes" in error["message"]


@pytest.mark.parametrize("app", [reads_all, swallows_errors])
@pytest.mark.parametrize("declared", [None, "10"])
def test_an_undeclared_body_is_counted_and_answered_at_the_limit(app, declared: str | None) -> None:
    client = serve(Client(*[b"x" * 60] * 50, declared=declared), app)
    assert client.status == 413
    assert client.taken_before_answer == 2
    assert [message["type"] for message in client.sent] == ["http.response.start", *["http.response.body"] * 2]
    assert [message.get("more_body") for message in client.sent] == [None, True, False]


def test_nothing_of_a_refused_body_waits_for_the_garbage_collector() -> None:
    app = fastapi.FastAPI()

    @app.post("/")
    async def read(body: dict) -> None: ...

    app.add_middleware(BodyLimit, limit_bytes=lambda: 2**20)
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "http_version": "1.1"}
    scope["headers"] = [(b"content-type", b"application/json")]

    class Fresh(Client):
        """Its chunks are allocated as they are read."""

        async def receive(self) -> dict:
            self.taken += 1
            return {"type": "http.request", "body": bytes(2**16), "more_body": self.taken < 40}

    async def refuse(times: int) -> None:
        for _ in range(times):
            client = Fresh()
            await app(scope, client.receive, client.send)
            assert client.status == 413

    asyncio.run(refuse(1))
    gc.disable()
    tracemalloc.start()
    try:
        asyncio.run(refuse(10))
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left_bytes < 2**20


@pytest.mark.parametrize("declared", [None, "6000"])
def test_the_rest_of_a_refused_body_is_thrown_away_before_the_connection_closes(declared: str | None) -> None:
    client = serve(Client(*[b"x" * 60] * 50, declared=declared))
    assert client.left == []


def test_a_client_that_sends_its_refused_body_for_ever_is_hung_up_on() -> None:
    class Endless(Client):
        async def receive(self) -> dict:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"x" * 60, "more_body": True}

    client = Endless()
    limited = BodyLimit(reads_all, limit_bytes=lambda: LIMIT, linger_seconds=0.01)
    asyncio.run(limited({"type": "http", "path": "/", "headers": []}, client.receive, client.send))
    assert [message.get("more_body") for message in client.sent] == [None, True, False]


def test_a_client_that_left_after_its_refusal_is_not_waited_for() -> None:
    class Gone(Client):
        async def receive(self) -> dict:
            return {"type": "http.disconnect"}

    client = Gone(declared="101")
    assert serve(client).status == 413


def test_the_limit_is_the_one_of_now() -> None:
    limit = [10]
    limited = BodyLimit(reads_all, limit_bytes=lambda: limit[0])
    for expected in (413, 200):
        client = Client(b"x" * 20, declared="20")
        asyncio.run(limited({"type": "http", "path": "/", "headers": client.headers}, client.receive, client.send))
        assert client.status == expected
        limit[0] = 20


def test_a_path_takes_what_may_always_be_sent_there_and_no_other_does() -> None:
    limited = BodyLimit(reads_all, limit_bytes=lambda: LIMIT, least_bytes={"/roomy": 3 * LIMIT})
    for path, size, expected in (("/roomy", 300, 200), ("/roomy", 301, 413), ("/roomy/more", 300, 413)):
        client = Client(b"x" * size, b"")
        asyncio.run(limited({"type": "http", "path": path, "headers": []}, client.receive, client.send))
        assert client.status == expected


def test_other_protocols_pass_untouched() -> None:
    seen = []

    async def app(scope: dict, receive, send) -> None:
        seen.append(scope["type"])

    asyncio.run(BodyLimit(app, limit_bytes=lambda: 0)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
