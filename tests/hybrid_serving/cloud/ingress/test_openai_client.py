"""The official client, unmodified, against the application on a real HTTP server."""

import base64
import contextlib
import io
import threading
from collections.abc import Iterator
from typing import get_type_hints

import openai
import pytest
import uvicorn
from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming
from PIL import Image as Picture

from hybrid_serving.cloud.ingress import routes
from hybrid_serving.cloud.ingress.dispatch import ReplicaLost, SegmentBusy
from hybrid_serving.cloud.ingress.schemas import OPENAI_FIELDS, REFUSALS, GenerationRequest


@contextlib.contextmanager
def serving(app) -> Iterator[str]:
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(30)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def url(service) -> Iterator[str]:
    with serving(routes.create(service)) as url:
        yield url


@pytest.fixture
def client(url, mounts) -> Iterator[openai.OpenAI]:
    (mounts / "api-keys").mkdir()
    (mounts / "api-keys" / "demo").write_text("demo-key")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="demo-key", max_retries=0) as client:
        yield client


def test_it_generates(client) -> None:
    answer = client.images.generate(prompt="a red circle", model="shapes", n=2, size="64x64", extra_body={"seed": "7"})
    assert [Picture.open(io.BytesIO(base64.b64decode(image.b64_json))).size for image in answer.data] == [(64, 64)] * 2
    assert answer.usage.output_tokens_details.image_tokens == 128
    assert answer.size == "64x64"
    assert answer.model_extra["hybrid"]["seed"] == "7"
    assert answer._request_id.startswith("req_")


def test_it_streams(client) -> None:
    stream = client.images.generate(
        prompt="a red circle", stream=True, partial_images=2, extra_body={"split": 25, "seed": 1}
    )
    *partial, last = list(stream)
    assert partial
    assert all(isinstance(event, ImageGenPartialImageEvent) for event in partial)
    assert isinstance(last, ImageGenCompletedEvent)
    assert last.usage.total_tokens == 67
    plain = client.images.generate(prompt="a red circle", extra_body={"split": 25, "seed": 1})
    assert last.b64_json == plain.data[0].b64_json


def test_it_raises_what_a_stream_reports(client, denoisers) -> None:
    denoisers["large"].script.append(lambda work: ReplicaLost("killed"))
    denoisers["large"].script.append(lambda work: ReplicaLost("killed"))
    with pytest.raises(openai.APIError, match="killed") as raised:
        list(client.images.generate(prompt="a", stream=True, partial_images=1))
    assert raised.value.code == "segment_unavailable"


def test_it_retries_what_may_pass(client, denoisers) -> None:
    busy = SegmentBusy("full", wait_seconds=0.01)
    denoisers["large"].script += [lambda work: busy, lambda work: ValueError("broken")]
    answer = client.with_options(max_retries=2).images.generate(prompt="a red circle")
    assert answer.data[0].b64_json
    assert len(denoisers["large"].received) == 3


@pytest.mark.parametrize(
    ("body", "error", "param"),
    [
        ({"size": "512x512"}, openai.BadRequestError, "size"),
        ({"extra_body": {"strength": 1}}, openai.BadRequestError, "strength"),
        ({"style": "vivid"}, openai.BadRequestError, "style"),
        ({"response_format": "url"}, openai.BadRequestError, "response_format"),
        ({"model": "dall-e-3"}, openai.NotFoundError, "model"),
    ],
)
def test_its_errors_name_the_field(client, body, error, param) -> None:
    with pytest.raises(error) as raised:
        client.images.generate(prompt="a red circle", **body)
    assert raised.value.param == param
    assert f"`{param}`" in raised.value.message or param == "model"
    assert raised.value.type == "invalid_request_error"


def test_a_wrong_key_is_an_authentication_error(client) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        client.with_options(api_key="wrong").images.generate(prompt="a red circle")
    assert raised.value.code == "invalid_api_key"


def test_a_long_wait_is_a_rate_limit_error(client, denoisers) -> None:
    denoisers["large"].script.append(lambda work: SegmentBusy("full", wait_seconds=9.0))
    with pytest.raises(openai.RateLimitError) as raised:
        client.images.generate(prompt="a red circle")
    assert raised.value.response.headers["retry-after"] == "9"


def test_it_lists_models(client) -> None:
    assert [model.id for model in client.models.list()] == ["shapes"]
    assert client.models.retrieve("shapes").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("dall-e-3")


def test_every_field_that_it_can_send_has_a_treatment() -> None:
    assert set(OPENAI_FIELDS) == set(get_type_hints(ImageGenerateParamsNonStreaming))
    for field, treatment in OPENAI_FIELDS.items():
        assert (field in REFUSALS) == (treatment == "refused")
        assert (field in GenerationRequest.model_fields) == (treatment != "refused")


@pytest.mark.parametrize(
    ("field", "value", "echo"),
    [
        ("background", "opaque", {"background": "opaque"}),
        ("background", "auto", {"background": "opaque"}),
        ("moderation", "low", {"moderation": "low"}),
        ("quality", "high", {"quality": "high"}),
        ("user", "u", {"safety_identifier": "u"}),
        ("safety_identifier", "s", {"safety_identifier": "s"}),
    ],
)
def test_echoed_fields_come_back(client, field, value, echo) -> None:
    answer = client.images.generate(prompt="a red circle", **{field: value}).model_dump()
    assert echo.items() <= answer.items()
    assert OPENAI_FIELDS[field] == "echoed"
