"""The HTTP API from the device's side: every way of not getting an answer is one sentence."""

import json
from collections.abc import Callable

import httpx
import pytest

from hybrid_serving.edge.client import Refused, Service, ServiceError, Unreachable
from hybrid_serving.handoff import MEDIA_TYPE


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

    assert a_service(answer).request_handoff({"prompt": "a star"}, device={"seconds_per_step": 0.1}) == b"bytes"


def test_every_call_has_an_idempotency_key_of_its_own() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(200, json={})

    service = a_service(answer)
    service.generate({"prompt": "a star"})
    service.generate({"prompt": "a star"})
    service.finish_handoff(b"handoff")
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
