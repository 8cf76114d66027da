"""Every way of asking wrongly: the OpenAI shape, the right status, and the field named."""

import json

import pytest

from hybrid_serving.cloud.ingress import replies

PATH = "/v1/images/generations"


def post(ask, body: object):
    """In ASCII, so that lone surrogates travel too."""
    return ask("POST", PATH, content=json.dumps(body), headers={"content-type": "application/json"})


def refused(answer, *, status: int, code: str, param: str | None = None) -> str:
    assert answer.status_code == status, answer.text[:300]
    error = replies.Error.model_validate(answer.json()).error
    assert (error.code, error.param) == (code, param)
    return error.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", 7),
        ("prompt", None),
        ("prompt", "x" * 32_001),
        ("prompt", "\ud800"),
        ("n", 0),
        ("n", 5),
        ("n", True),
        ("n", "2"),
        ("n", 1.5),
        ("size", "64"),
        ("size", "64x64x64"),
        ("size", "0x64"),
        ("size", "512x512"),
        ("size", 64),
        ("response_format", "url"),
        ("output_format", "gif"),
        ("output_format", "svg"),
        ("output_compression", 50),
        ("output_compression", 101),
        ("partial_images", 4),
        ("partial_images", -1),
        ("partial_images", 2),
        ("background", "transparent"),
        ("quality", "best"),
        ("stream", "yes"),
        ("steps", 0),
        ("steps", -1),
        ("steps", 10**9),
        ("steps", 101),
        ("steps", 2.5),
        ("steps", True),
        ("guidance_scale", 0.5),
        ("guidance_scale", 1e9),
        ("guidance_scale", True),
        ("guidance_scale", "5.0"),
        ("negative_prompt", "x" * 32_001),
        ("seed", -1),
        ("seed", "-1"),
        ("seed", 2**64),
        ("seed", str(2**64)),
        ("seed", "0x10"),
        ("seed", 1.0),
        ("seed", ""),
        ("seed", "٧"),
        ("sampler", "unipc"),
        ("sampler", ""),
        ("split", -1),
        ("split", 26),
        ("split", "101%"),
        ("split", "40"),
        ("split", "-1%"),
        ("split", 0.4),
        ("user", "x" * 513),
    ],
)
def test_a_field_out_of_bounds_is_named(ask, field, value) -> None:
    answer = post(ask, {"prompt": "a red circle", field: value})
    message = refused(answer, status=400, code="invalid_value", param=field)
    assert f"`{field}`" in message
    assert len(message) < 400


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(ask, value) -> None:
    body = f'{{"prompt": "a", "guidance_scale": {value}}}'
    answer = ask("POST", PATH, content=body, headers={"content-type": "application/json"})
    refused(answer, status=400, code="invalid_value", param="guidance_scale")


def test_a_missing_prompt_is_named(ask) -> None:
    refused(ask("POST", PATH, json={}), status=400, code="missing_required_parameter", param="prompt")


@pytest.mark.parametrize("field", ["strength", "lora", "", "prompt ", "Prompt", "a\x00b", "x" * 5000])
def test_an_unknown_field_is_named_and_the_known_ones_listed(ask, field) -> None:
    answer = post(ask, {"prompt": "a", field: 1})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("unknown_parameter", field[:100])
    assert "negative_prompt" in error["message"]


@pytest.mark.parametrize("field", ["style", "svg", "complexity", "frame_count", "frame_duration_ms"])
def test_openai_fields_that_cannot_act_are_refused_with_a_reason(ask, field) -> None:
    answer = ask("POST", PATH, json={"prompt": "a", field: "vivid"})
    assert ": " in refused(answer, status=400, code="unsupported_parameter", param=field)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"a"',
        b"7",
        b"null",
        b"\xff\xfe",
        b'{"prompt": "\xff"}',
        b"[" * 20_000,
        b'{"\\ud800": 1}',
        b'{"seed": 1' + b"0" * 5000,
    ],
)
def test_what_is_no_json_object_is_refused(ask, body) -> None:
    answer = ask("POST", PATH, content=body, headers={"content-type": "application/json"})
    message = refused(answer, status=400, code="invalid_json")
    assert "JSON object" in message


def test_another_content_type_is_refused(ask) -> None:
    answer = ask("POST", PATH, content=b'{"prompt": "a"}', headers={"content-type": "text/plain"})
    assert "application/json" in refused(answer, status=400, code="invalid_json")


def test_another_model_does_not_exist(ask) -> None:
    answer = ask("POST", PATH, json={"prompt": "a", "model": "gpt-image-1"})
    assert "`shapes`" in refused(answer, status=404, code="model_not_found", param="model")
    refused(ask("GET", "/v1/models/other"), status=404, code="model_not_found", param="model")


def test_unknown_routes_and_methods_answer_in_the_same_shape(ask) -> None:
    refused(ask("GET", "/nowhere"), status=404, code="not_found")
    answer = ask("DELETE", PATH)
    refused(answer, status=405, code="method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_an_oversized_body_is_refused(ask, service, terms) -> None:
    service.terms = terms(body_bytes=1000)
    refused(ask("POST", PATH, json={"prompt": "x" * 1000}), status=413, code="request_too_large")


def test_a_prompt_of_ten_thousand_characters_is_drawn(ask) -> None:
    prompt = "画一个红色的圆 🔴 " * 1000
    assert ask("POST", PATH, json={"prompt": prompt[:10_000]}).status_code == 200


def test_unicode_controls_and_right_to_left_text_are_drawn(ask, denoisers) -> None:
    prompt = "a\x00b \u202eright to left\u202c e\u0301 \U0001f534"
    assert ask("POST", PATH, json={"prompt": prompt}).status_code == 200
    assert denoisers["large"].received[0].settings.prompt == prompt


def test_a_key_is_asked_for_where_there_are_keys(ask, mounts) -> None:
    (mounts / "api-keys").mkdir()
    (mounts / "api-keys" / "demo").write_text("secret-key")
    for method, path in [("POST", PATH), ("GET", "/v1/models"), ("GET", "/v1/capabilities"), ("GET", "/v1/none")]:
        refused(ask(method, path), status=401, code="invalid_api_key")
    answer = ask("POST", PATH, json={"prompt": "a"}, headers={"authorization": "Bearer secret-key"})
    assert answer.status_code == 200
    assert ask("GET", "/healthz").status_code == 200
    assert ask("GET", "/openapi.json").status_code == 200


def test_a_body_is_not_read_before_its_key_is_known(ask, mounts) -> None:
    (mounts / "api-keys").mkdir()
    (mounts / "api-keys" / "demo").write_text("secret-key")

    async def body():
        raise AssertionError("read")
        yield b""

    refused(ask("POST", PATH, content=body()), status=401, code="invalid_api_key")


@pytest.mark.parametrize("given", ["abc-123", "req_0af", "a" * 128])
def test_a_sane_request_id_is_kept(ask, given) -> None:
    assert ask("GET", "/healthz", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "<script>"])
def test_another_request_id_is_replaced(ask, given) -> None:
    answer = ask("GET", "/nowhere", headers={"x-request-id": given})
    assert answer.headers["x-request-id"].startswith("req_")


def test_lcm_beyond_its_grid_is_refused_by_name(ask) -> None:
    answer = ask("POST", PATH, json={"prompt": "a", "sampler": "lcm", "steps": 51})
    assert "51" in refused(answer, status=400, code="invalid_value", param="steps")


def test_a_service_of_one_segment_cannot_hand_over(ask, service, facts, terms) -> None:
    service.facts = facts("large")
    service.terms = terms(shares=())
    refused(ask("POST", "/v1/handoffs", json={"prompt": "a"}), status=400, code="unsupported_parameter")
    assert ask("POST", PATH, json={"prompt": "a"}).json()["hybrid"]["split"] == 25
