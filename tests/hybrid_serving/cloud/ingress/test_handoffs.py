import base64
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from hybrid_api.scalars import Size
from hybrid_serving import envelope
from hybrid_serving import handoff as files
from hybrid_serving.cloud.ingress import replies
from hybrid_serving.keys import PublicKeys

PATH = "/v1/handoffs"
FINISH = "/v1/handoffs/finish"


def new_seed() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(autouse=True)
def signing(mounts):
    folder = mounts / "signing"
    folder.mkdir()
    (folder / "a-1").write_text(new_seed())
    return folder


def hand_over(ask, **body):
    return ask("POST", PATH, json={"prompt": "a red circle", "seed": "7", **body})


def receipt_of(given) -> dict[str, str]:
    return {files.RECEIPT_HEADER: given.headers[files.RECEIPT_HEADER]}


def opened(ask, data: bytes) -> files.Handoff:
    keys = PublicKeys.from_texts(ask("GET", "/v1/capabilities").json()["signing_keys"])
    return files.unpack(data, keys=keys, now=datetime.now(UTC))


def test_a_handoff_is_genuine_and_holds_everything_to_go_on(ask, denoisers) -> None:
    answer = hand_over(ask)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == files.MEDIA_TYPE
    handoff = opened(ask, answer.content)
    assert handoff.model == "shapes"
    assert handoff.networks == {"large": "network-large", "small": "network-small"}
    assert (handoff.state.position, handoff.table.start, handoff.table.steps) == (10, 10, 25)
    assert (handoff.settings.prompt, handoff.settings.seed) == ("a red circle", 7)
    assert set(handoff.conditioning) == {"text"}
    assert handoff.attempt == 1
    assert handoff.domain == "domain-large"
    assert (handoff.expires_at - handoff.issued_at).total_seconds() == 300
    assert not denoisers["small"].received


def test_given_back_it_is_finished_from_where_it_stood(ask, denoisers) -> None:
    given = hand_over(ask)
    answer = ask("POST", FINISH, content=given.content, headers=receipt_of(given))
    assert answer.status_code == 200, answer.text
    body = replies.Images.model_validate(answer.json())
    (work,) = denoisers["small"].received
    assert work.state.position == 10
    assert set(work.conditioning) == {"text"}
    assert (body.hybrid.seed, body.hybrid.split) == ("7", 10)
    assert set(body.hybrid.cost.nanoseconds) == {"large", "small"}, "the cloud's part before counts too"
    whole = ask("POST", "/v1/images/generations", json={"prompt": "a red circle", "seed": 7}).json()
    assert body.data[0].b64_json == whole["data"][0]["b64_json"]


def test_given_back_twice_it_is_finished_once(ask, denoisers) -> None:
    data = hand_over(ask).content
    first, second = (ask("POST", FINISH, content=data, headers={"idempotency-key": key}) for key in ("a", "b"))
    assert first.content == second.content
    assert len(denoisers["small"].received) == 1


def test_whatever_is_issued_is_taken_back_beyond_the_limit_on_bodies(ask, service, terms) -> None:
    data = hand_over(ask).content
    service.terms = terms(body_bytes=len(data) - 1)
    assert ask("POST", FINISH, content=data).status_code == 200
    assert ask("POST", PATH, content=data).status_code == 413
    assert ask("POST", FINISH, content=bytes(envelope.MAX_BYTES + 1)).status_code == 413


def test_given_back_again_after_its_time_it_gets_what_was_finished_in_time(ask, denoisers, service) -> None:
    data = hand_over(ask).content
    first = ask("POST", FINISH, content=data)
    late = service.clock() + 301
    service.clock = lambda: late
    second = ask("POST", FINISH, content=data)
    assert (second.status_code, second.content) == (200, first.content)
    assert len(denoisers["small"].received) == 1


def test_a_split_at_the_start_encodes_the_text_and_hands_over_noise(ask, denoisers) -> None:
    handoff = opened(ask, hand_over(ask, split=0).content)
    assert handoff.state.position == 0
    assert [work.stop for work in denoisers["large"].received] == [0]
    assert set(handoff.conditioning) == {"text"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("split", 25),
        ("split", "100%"),
        ("n", 2),
        ("stream", True),
        ("partial_images", 1),
        ("device", 7),
    ],
)
def test_what_a_device_cannot_use_is_refused(ask, field, value) -> None:
    answer = hand_over(ask, **{field: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field


@pytest.mark.parametrize(
    ("device", "field", "says"),
    [
        ({}, "device.seconds_per_step", "is missing"),
        ({"seconds_per_step": 0}, "device.seconds_per_step", "is 0"),
        (
            {"seconds_per_step": 1, "speed": 2},
            "device.speed",
            "the fields are seconds_per_step, seconds_to_decode, byt",
        ),
    ],
)
def test_what_is_wrong_with_a_device_is_named(ask, device, field, says) -> None:
    error = hand_over(ask, device=device).json()["error"]
    assert error["param"] == field
    assert f"`{field.rpartition('.')[0]}." in error["message"]
    assert says in error["message"]


def test_what_a_report_does_not_know_is_named_with_what_it_knows(ask) -> None:
    message = ask("POST", f"{PATH}/{'0' * 32}-0/report", json={"seconds": 1, "x": 1}).json()["error"]["message"]
    assert "`x` is not a field of this request; the fields are seconds, steps." in message


def test_a_device_may_describe_itself(ask) -> None:
    device = {"seconds_per_step": 0.01, "seconds_to_decode": 0.02, "bytes_per_second": 1e6}
    assert hand_over(ask, device=device).status_code == 200


def test_a_repeat_of_a_request_gets_the_same_handoff(ask, denoisers) -> None:
    key = {"idempotency-key": "one"}
    first, second = (ask("POST", PATH, json={"prompt": "a"}, headers=key) for _ in range(2))
    assert first.content == second.content
    assert second.headers["content-type"] == files.MEDIA_TYPE
    assert len(denoisers["large"].received) == 1


@pytest.mark.parametrize("position", [0, 3, 8, 20, 100, 1000, -1])
def test_a_changed_byte_is_found(ask, denoisers, position) -> None:
    data = bytearray(hand_over(ask).content)
    data[position] ^= 1
    answer = ask("POST", FINISH, content=bytes(data))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "handoff_invalid"
    assert not denoisers["small"].received


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"\x00" * 500])
def test_what_is_no_handoff_is_refused(ask, data) -> None:
    answer = ask("POST", FINISH, content=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "handoff_invalid")


def test_a_handoff_of_another_service_is_refused(ask, signing) -> None:
    data = hand_over(ask).content
    (signing / "a-1").write_text(new_seed())
    assert ask("POST", FINISH, content=data).status_code in {200, 400}


def test_an_expired_handoff_is_gone(ask, service) -> None:
    data = hand_over(ask).content
    late = service.clock() + 301
    service.clock = lambda: late
    answer = ask("POST", FINISH, content=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "handoff_expired")


def test_a_handoff_for_other_networks_is_gone(ask, service, facts) -> None:
    data = hand_over(ask).content
    service.facts = facts("large", "tiny")
    answer = ask("POST", FINISH, content=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "handoff_network_changed")


def test_a_handoff_of_a_size_that_is_drawn_no_more_is_gone(ask, denoisers, service) -> None:
    data = hand_over(ask).content
    service.facts = replace(service.facts, sizes=(Size(128, 64),))
    answer = ask("POST", FINISH, content=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "handoff_network_changed")
    assert "64x64" in answer.json()["error"]["message"]
    assert not denoisers["small"].received


def test_without_a_signing_key_there_are_no_handoffs(ask, signing) -> None:
    (signing / "a-1").unlink()
    answer = hand_over(ask)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_signing_key")
    assert ask("GET", "/v1/capabilities").json()["signing_keys"] == {}


def test_a_broken_signing_key_is_never_shown(ask, signing) -> None:
    (signing / "a-1").write_text("c2VjcmV0")
    answer = hand_over(ask)
    assert answer.status_code == 503
    assert "c2VjcmV0" not in answer.text


def report(ask, handoff_id: str, **request):
    return ask("POST", f"{PATH}/{handoff_id}/report", json={"seconds": 0.25, "steps": 15}, **request)


def test_a_report_is_booked_and_priced_by_any_replica(ask, another, denoisers) -> None:
    given = hand_over(ask, negative_prompt="a star")
    handoff = opened(ask, given.content)
    answer = report(another(), handoff.request, headers=receipt_of(given))
    assert answer.status_code == 200, answer.text
    reported = replies.Reported.model_validate(answer.json()).hybrid
    assert reported.cost.edge_seconds == "0.25"
    assert list(reported.cost.nanoseconds) == ["large"]
    assert reported.cost.egress_bytes == len(given.content)
    assert (reported.id, reported.seed, reported.steps, reported.split) == (handoff.request, "7", 25, 10)


def test_given_back_to_another_replica_it_is_on_the_same_bill(ask, another) -> None:
    given = hand_over(ask)
    answer = another()("POST", FINISH, content=given.content, headers=receipt_of(given))
    cost = replies.Images.model_validate(answer.json()).hybrid.cost
    assert set(cost.nanoseconds) == {"large", "small"}
    assert cost.saving is not None
    assert cost.egress_bytes == len(given.content) + len(answer.json()["data"][0]["b64_json"])


def test_given_back_without_its_receipt_a_part_is_not_compared_with_a_whole(ask) -> None:
    ask("POST", "/v1/images/generations", json={"prompt": "a red circle"})  # so that there is a pace to compare with
    cost = ask("POST", FINISH, content=hand_over(ask).content).json()["hybrid"]["cost"]
    assert set(cost["nanoseconds"]) == {"small"}
    assert cost["saving"] is None


def test_a_report_without_a_receipt_is_taken_and_books_nothing(ask) -> None:
    answer = report(ask, "0" * 32 + "-0")
    assert (answer.status_code, answer.json()["hybrid"]) == (200, None)


def test_a_receipt_holds_no_prompt_and_stays_short_after_many_hops(ask, denoisers) -> None:
    large = denoisers["large"]
    large.script += [partial(large.released, position=position, reason="drain") for position in range(1, 10)]
    given = hand_over(ask, prompt="a secret " * 500, negative_prompt="an enemy " * 500)
    text = given.headers[files.RECEIPT_HEADER]
    assert len(large.received) == 10
    assert len(text) < 1_500
    body = base64.urlsafe_b64decode(text.split(".")[1] + "==").decode()
    assert "secret" not in body
    assert "enemy" not in body


def forged(given) -> str:
    header, body, signature = given.headers[files.RECEIPT_HEADER].split(".")
    claims = base64.urlsafe_b64decode(body + "==").replace(b'"egress_bytes":', b'"egress_bytes":1')
    return ".".join((header, base64.urlsafe_b64encode(claims).decode().rstrip("="), signature))


def unsigned(given) -> str:
    _, body, _ = given.headers[files.RECEIPT_HEADER].split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"a-1"}').decode().rstrip("=")
    return f"{header}.{body}."


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (forged, "did not sign"),
        (unsigned, "did not sign"),
        (lambda _: "x", "did not sign"),
        (lambda _: "a.b.c", "did not sign"),
        (lambda _: "", "did not sign"),
        (lambda _: "x" * 10_000, "10000 characters"),
        (lambda given: base64.b64encode(given.content).decode(), "did not sign"),
    ],
    ids=["forged", "unsigned", "one letter", "three letters", "empty", "long", "a handoff"],
)
def test_a_receipt_that_nobody_signed_is_refused(ask, denoisers, meter, make, reason) -> None:
    given = hand_over(ask)
    handoff_id = opened(ask, given.content).request
    headers = {files.RECEIPT_HEADER: make(given)}
    for answer in (
        report(ask, handoff_id, headers=headers),
        ask("POST", FINISH, content=given.content, headers=headers),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "receipt_invalid")
        assert reason in answer.json()["error"]["message"]
    assert not denoisers["small"].received


@pytest.mark.parametrize("names", [("large", "tiny"), ("big", "small")])
def test_a_receipt_for_other_networks_prices_nothing(ask, service, facts, names) -> None:
    given = hand_over(ask)
    handoff_id = opened(ask, given.content).request
    service.facts = facts(*names)
    answer = report(ask, handoff_id, headers=receipt_of(given))
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "handoff_network_changed")


def test_a_receipt_of_another_service_with_the_same_keys_prices_nothing(ask, service) -> None:
    given = hand_over(ask)
    handoff_id = opened(ask, given.content).request
    service.facts = replace(service.facts, model="other")
    answer = report(ask, handoff_id, headers=receipt_of(given))
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "handoff_network_changed")


def test_a_receipt_of_another_handoff_is_refused(ask) -> None:
    first, second = hand_over(ask), hand_over(ask)
    answer = report(ask, opened(ask, second.content).request, headers=receipt_of(first))
    assert answer.json()["error"]["code"] == "receipt_invalid"
    assert opened(ask, first.content).request in answer.json()["error"]["message"]


def test_a_report_may_come_after_the_handoffs_time_but_not_for_ever(ask, service) -> None:
    given = hand_over(ask)
    handoff_id, start = opened(ask, given.content).request, service.clock()
    service.clock = lambda: start + 590
    assert report(ask, handoff_id, headers=receipt_of(given)).status_code == 200
    service.clock = lambda: start + 601
    answer = report(ask, handoff_id, headers=receipt_of(given))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "receipt_invalid")
    assert "too old" in answer.json()["error"]["message"]


def test_a_receipt_outlives_the_key_that_is_replaced(ask, signing) -> None:
    given = hand_over(ask)
    handoff_id = opened(ask, given.content).request
    (signing / "b-2").write_text(new_seed())
    assert report(ask, handoff_id, headers=receipt_of(given)).json()["hybrid"]["cost"]


@pytest.mark.parametrize("handoff_id", ["x", "0" * 32, "0" * 31 + "g-0", "../x", "0" * 32 + "-100"])
def test_a_report_on_nothing_is_refused(ask, handoff_id) -> None:
    assert ask("POST", f"{PATH}/{handoff_id}/report", json={"seconds": 1}).status_code in {400, 404}


@pytest.mark.parametrize(
    "body", [{}, {"seconds": -1}, {"seconds": "1"}, {"seconds": 1, "steps": -1}, {"seconds": 1, "x": 1}]
)
def test_a_report_that_says_nothing_is_refused(ask, body) -> None:
    assert ask("POST", f"{PATH}/{'0' * 32}-0/report", json=body).status_code == 400
