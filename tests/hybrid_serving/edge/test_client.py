"""The HTTP API from the device's side: every way of not getting an answer is one sentence."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from hybrid_serving.edge.client import HandedOver, Refused, Service, ServiceError, Unreachable
from hybrid_serving.handoff import MEDIA_TYPE, RECEIPT_HEADER

GIVEN = HandedOver(data=b"handoff", receipt=None)


def a_service(answer: Callable[[httpx.Request], httpx.Response] | httpx.Response) -> Service:
    handler = answer if callable(answer) else lambda _: answer
    return Service("http://service/v1/", key="key", transport=httpx.MockTransport(handler))


def test_a_service_that_is_away_is_named() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Unreachable, match=r"No answer from http://service \(refused\)"):
        a_service(refuse).capabilities()


def test_a_refusal_has_the_services_own_sentence() -> None:
    error = {"error": {"message": "`steps` is 0; expected 1 to 100.", "code": "invalid_value"}}
    with pytest.raises(Refused, match="`steps` is 0") as caught:
        a_service(httpx.Response(400, json=error)).generate({"prompt": "a star"})
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")


@pytest.mark.parametrize("body", ["<html>", "{}", '{"error": null}', "[]"])
def test_a_refusal_in_another_shape_has_its_status(body: str) -> None:
    with pytest.raises(Refused, match="answered with status 502"):
        a_service(httpx.Response(502, text=body)).generate({"prompt": "a star"})


@pytest.mark.parametrize("body", ["hello", "[]", "{}"])
def test_something_else_than_the_service_is_recognised(body: str) -> None:
    with pytest.raises(ServiceError, match="is it a Hybrid Diffusion service"):
        a_service(httpx.Response(200, text=body)).capabilities()


def test_an_answer_that_is_no_handoff_is_refused() -> None:
    with pytest.raises(ServiceError, match="expected a handoff"):
        a_service(httpx.Response(200, json={})).request_handoff({"prompt": "a star"})


def test_a_handoff_request_carries_the_devices_profile() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://service/v1/handoffs"
        assert request.headers["Authorization"] == "Bearer key"
        assert json.loads(request.content) == {"prompt": "a star", "device": {"seconds_per_step": 0.1}}
        return httpx.Response(200, content=b"bytes", headers={"content-type": MEDIA_TYPE})

    assert a_service(answer).request_handoff({"prompt": "a star"}, device={"seconds_per_step": 0.1}) == HandedOver(
        data=b"bytes", receipt=None
    )


def test_a_receipt_goes_back_with_its_handoff_and_with_the_report() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path != "/v1/handoffs":
            return httpx.Response(200, json={})
        return httpx.Response(200, content=b"bytes", headers={"content-type": MEDIA_TYPE, RECEIPT_HEADER: "a.b.c"})

    service = a_service(answer)
    given = service.request_handoff({"prompt": "a star"})
    service.report("0-0", given=given, seconds=1.0, steps=2)
    service.finish_handoff(given)
    assert [request.headers.get(RECEIPT_HEADER) for request in asked] == [None, "a.b.c", "a.b.c"]


def test_a_key_that_ends_a_line_is_sent_without_its_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer key"
        return httpx.Response(200, json={})

    Service("http://service", key="key\n", transport=httpx.MockTransport(answer)).finish_handoff(GIVEN)


@pytest.mark.parametrize("key", ["top\nsecret", "topsécret", "top\0secret", "topsecret\x7f"])
def test_a_key_that_is_no_header_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ServiceError, match="not printable ASCII") as caught:
        Service("http://127.0.0.1:9", key=key).capabilities()
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_every_call_has_an_idempotency_key_of_its_own() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(200, json={})

    service = a_service(answer)
    service.generate({"prompt": "a star"})
    service.generate({"prompt": "a star"})
    service.finish_handoff(GIVEN)
    assert len(set(keys)) == 3


def a_stream(text: str) -> Service:
    return a_service(httpx.Response(200, text=text, headers={"content-type": "text/event-stream"}))


def test_a_stream_yields_events_and_skips_comments() -> None:
    text = ': keep-alive\n\nevent: a\ndata: {"type": "a"}\n\n: keep-alive\n\nevent: b\ndata: {"type": "b"}\n\n'
    assert [event["type"] for event in a_stream(text).stream({"prompt": "a star"})] == ["a", "b"]


def test_a_failure_inside_a_stream_is_raised_with_its_sentence() -> None:
    text = (
        'event: a\ndata: {"type": "a"}\n\nevent: error\ndata: {"type": "error", "error": {"message": "Too late."}}\n\n'
    )
    events = a_stream(text).stream({"prompt": "a star"})
    assert next(events) == {"type": "a"}
    with pytest.raises(ServiceError, match=r"Too late\."):
        next(events)


def test_a_stream_that_is_refused_raises_before_the_first_event() -> None:
    refusal = httpx.Response(401, json={"error": {"message": "No API key in the request."}})
    with pytest.raises(Refused, match="No API key"):
        next(a_service(refusal).stream({"prompt": "a star"}))


class Unsteady(ThreadingHTTPServer):
    """Tears connections, or answers with other statuses, before it answers with a document."""

    def __init__(self, *moods: int | None, retry_after: str | None = None) -> None:
        """`moods` are statuses, `None` tears the connection."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.left, self.retry_after = list(moods), retry_after
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    server: Unsteady

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers["Idempotency-Key"])
        self.close_connection = True
        mood = self.server.left.pop(0) if self.server.left else 200
        if mood is None:
            return
        self.send_response(mood)
        if self.server.retry_after is not None:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def unsteady() -> Iterator[Callable[..., Unsteady]]:
    """Makes such servers."""
    made: list[Unsteady] = []

    def make(*moods: int | None, **options: str) -> Unsteady:
        server = Unsteady(*moods, **options)
        made.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def finish_at(server: Unsteady, **options: float) -> None:
    with Service(f"http://127.0.0.1:{server.server_port}", **options) as service:
        service.finish_handoff(GIVEN)


@pytest.mark.parametrize("moods", [(None, None), (429, 503), (503, None)])
def test_what_was_lost_or_came_too_early_is_repeated_as_the_same_request(unsteady, moods) -> None:
    server = unsteady(*moods, retry_after="0")
    finish_at(server)
    assert server.bodies == [b"handoff"] * 3
    assert len(set(server.keys)) == 1


def test_what_fails_three_times_has_failed(unsteady) -> None:
    torn, full = unsteady(*[None] * 9), unsteady(*[429] * 9, retry_after="0")
    with pytest.raises(Unreachable):
        finish_at(torn)
    with pytest.raises(Refused, match="429"):
        finish_at(full)
    assert (len(torn.keys), len(full.keys)) == (3, 3)


@pytest.mark.parametrize("status", [400, 401, 410, 500, 504])
def test_other_refusals_are_final(unsteady, status: int) -> None:
    server = unsteady(status)
    with pytest.raises(Refused):
        finish_at(server)
    assert len(server.keys) == 1


def test_nothing_is_repeated_that_would_come_after_the_timeout(unsteady) -> None:
    server = unsteady(429, retry_after="60")
    with pytest.raises(Refused):
        finish_at(server, timeout_seconds=5.0)
    assert len(server.keys) == 1
