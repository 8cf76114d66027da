import asyncio
import base64
import io

import numpy as np
import pytest
from PIL import Image as Picture

from hybrid_serving.cloud.ingress import replies
from hybrid_serving.cloud.ingress.dispatch import Journey, Leg, ReplicaLost, SegmentBusy, SegmentUnavailable
from hybrid_serving.cloud.ingress.schemas import GenerationRequest

PATH = "/v1/images/generations"


def draw(ask, **body):
    return ask("POST", PATH, json={"prompt": "a red circle", **body})


def pixels(data: str) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def test_the_answer_has_the_documented_shape(ask) -> None:
    answer = draw(ask, seed=7, user="someone", quality="low", moderation="auto")
    assert answer.status_code == 200, answer.text
    body = replies.Images.model_validate(answer.json())
    assert pixels(body.data[0].b64_json).shape == (64, 64, 3)
    assert body.usage.total_tokens == body.usage.input_tokens + body.usage.output_tokens
    assert (body.usage.input_tokens, body.usage.output_tokens) == (3, 64)
    assert (body.safety_identifier, body.quality, body.moderation) == ("someone", "low", "auto")
    assert body.system_fingerprint == "domain-large-domain-small"


def test_what_was_used_is_echoed_and_draws_the_same_again(ask) -> None:
    first = draw(ask).json()
    used = first["hybrid"]
    assert (used["sampler"], used["steps"], used["split"], used["guidance_scale"]) == ("dpmpp-2m", 25, 10, 5.0)
    again = draw(ask, seed=used["seed"], steps=used["steps"], split=used["split"], sampler=used["sampler"]).json()
    assert again["data"] == first["data"]


def test_a_seed_is_drawn_anew_for_every_request(ask) -> None:
    assert len({draw(ask).json()["hybrid"]["seed"] for _ in range(3)}) == 3


@pytest.mark.parametrize("seed", [0, "0", 2**64 - 1, "18446744073709551615", "007"])
def test_seeds_are_numbers_or_decimal_strings_of_64_bits(ask, denoisers, seed) -> None:
    answer = draw(ask, seed=seed)
    assert answer.status_code == 200
    assert answer.json()["hybrid"]["seed"] == str(int(seed))
    assert denoisers["large"].received[0].settings.seed == int(seed)


def test_images_of_a_request_share_the_seed_and_differ(ask, denoisers) -> None:
    body = draw(ask, n=3, seed=7).json()
    assert len({image["b64_json"] for image in body["data"]}) == 3
    assert {work.settings.seed for work in denoisers["large"].received} == {7}
    assert sorted(work.settings.image for work in denoisers["large"].received) == [0, 1, 2]
    assert len({work.id for work in denoisers["large"].received}) == 3
    assert body["usage"]["output_tokens"] == 3 * 64
    assert body["hybrid"]["cost"]["rows"]["large"]["step"] == 3 * 20


def test_every_setting_reaches_the_denoiser(ask, denoisers) -> None:
    draw(
        ask,
        steps=12,
        guidance_scale=3.5,
        negative_prompt="a square",
        sampler="euler-a",
        size="128x64",
        split="25%",
        seed=1,
    )
    (work,) = denoisers["large"].received
    settings = work.settings
    assert (settings.steps, settings.guidance_scale, settings.sampler) == (12, 3.5, "euler-a")
    assert (settings.negative_prompt, settings.width, settings.height) == ("a square", 128, 64)
    assert work.stop == 3


@pytest.mark.parametrize(
    ("split", "visited"), [(0, ["small"]), ("0%", ["small"]), (25, ["large"]), ("100%", ["large"])]
)
def test_at_the_ends_one_segment_does_it_alone(ask, denoisers, split, visited) -> None:
    body = draw(ask, split=split).json()
    assert [name for name, denoiser in denoisers.items() if denoiser.received] == visited
    assert list(body["hybrid"]["cost"]["nanoseconds"]) == visited


@pytest.mark.parametrize(("name", "magic"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")])
def test_pictures_come_in_the_format_asked_for(ask, name, magic) -> None:
    body = draw(ask, output_format=name).json()
    assert base64.b64decode(body["data"][0]["b64_json"]).startswith(magic)
    assert body["output_format"] == name


def test_compression_makes_lossy_pictures_smaller(ask) -> None:
    sizes = [
        len(draw(ask, seed=1, output_format="jpeg", output_compression=percent).json()["data"][0]["b64_json"])
        for percent in (90, 10)
    ]
    assert sizes[1] < sizes[0]


def test_absent_and_null_mean_the_default(ask) -> None:
    nothing = dict.fromkeys(name for name in GenerationRequest.model_fields if name != "prompt")
    answer = draw(ask, **nothing)
    assert answer.status_code == 200, answer.text
    assert draw(ask, size="auto").json()["size"] == "64x64"


def test_a_failure_of_one_image_ends_the_request(ask, denoisers) -> None:
    denoisers["small"].gate = asyncio.Event()
    denoisers["large"].script.append(lambda work: ValueError("broken"))
    answer = draw(ask, n=4)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "broken" not in answer.text


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (ReplicaLost("lost twice"), 503, "segment_unavailable"),
        (SegmentUnavailable("none there"), 503, "segment_unavailable"),
        (SegmentBusy("full", wait_seconds=12.2), 429, "rate_limit_exceeded"),
    ],
)
def test_failures_of_the_segments_say_when_to_come_back(ask, denoisers, failure, status, code) -> None:
    denoisers["large"].script += [lambda work: failure] * 2
    answer = draw(ask)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["retry-after"] == ("13" if status == 429 else "1")


def test_work_that_nobody_finishes_in_time_ends(ask, service, denoisers, terms) -> None:
    denoisers["large"].gate = asyncio.Event()
    service.terms = terms(deadline_seconds=0.01)
    answer = draw(ask)
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline_exceeded"
    assert len(denoisers["large"].cancelled) == 1


def test_a_predicted_wait_beyond_the_limit_is_refused_at_once(ask, service, denoisers) -> None:
    service.admission.row_milliseconds = {"large": 1000.0}
    assert draw(ask).status_code == 200, "nobody waits before the first request"
    with service.admission.promised(Journey(rest=(Leg("large", 20),)), rows_a_step=2):
        answer = draw(ask)
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert int(answer.headers["retry-after"]) == 10
    assert len(denoisers["large"].received) == 1


def test_changed_terms_hold_for_the_next_request(ask, service, terms) -> None:
    service.terms = terms(max_steps=10, steps=5)
    assert draw(ask).json()["hybrid"]["steps"] == 5
    assert draw(ask, steps=11).json()["error"]["param"] == "steps"
