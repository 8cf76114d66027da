"""What is counted, and that it agrees with what clients are told."""

import base64
import json
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hybrid_api.cost import Resources
from hybrid_serving import handoff as files
from hybrid_serving.cloud.ingress.dispatch import Booking, ReplicaLost
from hybrid_serving.cloud.ingress.measured import Measured
from hybrid_serving.keys import PublicKeys
from hybrid_serving.ledger.entries import Kind
from hybrid_serving.protocol import Usage

PATH = "/v1/images/generations"


@pytest.fixture(autouse=True)
def signing(mounts) -> None:
    (mounts / "signing").mkdir()
    (mounts / "signing" / "a").write_text(base64.b64encode(bytes(32)).decode())


def draw(ask, **body):
    return ask("POST", PATH, json={"prompt": "a red circle", **body})


def sums(meter, name: str) -> float:
    return sum(amount for (counted, *_), amount in meter.counts.items() if counted == name)


def hand_over(ask):
    return ask("POST", "/v1/handoffs", json={"prompt": "a red circle"})


def receipt_of(given) -> dict[str, str]:
    return {files.RECEIPT_HEADER: given.headers[files.RECEIPT_HEADER]}


def report(ask, given, *, seconds: float):
    keys = PublicKeys.from_texts(ask("GET", "/v1/capabilities").json()["signing_keys"])
    handoff = files.unpack(given.content, keys=keys, now=datetime.now(UTC))
    path = f"/v1/handoffs/{handoff.request}/report"
    return ask("POST", path, json={"seconds": seconds}, headers=receipt_of(given)).json()


def test_money_counted_is_money_told(ask, meter) -> None:
    told = [draw(ask, n=n).json()["hybrid"]["cost"] for n in (1, 3)]
    nanoseconds = sum(sum(each["nanoseconds"].values()) for each in told)
    engine = Decimal("0.0316") * 2 * nanoseconds / Decimal(3600 * 10**9)
    money = float(sum(Decimal(each["cloud"]) for each in told))
    assert sums(meter, "hybriddiffusion_cost") + float(engine) == pytest.approx(money), "workers count the engine time"
    assert sums(meter, "hybriddiffusion_compared_cost") == pytest.approx(money)
    assert sums(meter, "hybriddiffusion_all_cloud_cost") == pytest.approx(
        float(sum(Decimal(each["all_cloud"]) for each in told))
    )
    assert sums(meter, "hybriddiffusion_images") == 4


def test_the_ledger_gets_what_clients_are_told(ask, service) -> None:
    told = [draw(ask, n=n).json()["hybrid"]["cost"] for n in (1, 3)]
    totals = {(key.tenant, key.kind): count.quantity for key, count in service.accounts.counts.totals().items()}
    assert totals["anonymous", Kind.IMAGES] == 4
    assert totals["anonymous", Kind.EGRESS] == sum(each["egress_bytes"] for each in told)
    assert totals["anonymous", Kind.ALL_CLOUD] == sum(int(Decimal(each["all_cloud"]) * 10**12) for each in told)
    assert totals["anonymous", Kind.COMPARED] == sum(int(Decimal(each["cloud"]) * 10**12) for each in told)


def test_a_saving_is_what_its_inputs_make_it(ask) -> None:
    cost = draw(ask).json()["hybrid"]["cost"]
    cloud, alone = Decimal(cost["cloud"]), Decimal(cost["all_cloud"])
    assert Decimal(cost["saving"]) == pytest.approx(1 - cloud / alone, abs=Decimal("0.0001"))
    inputs = cost["all_cloud_inputs"]
    engine = (
        inputs["steps"] * inputs["rows_a_step"] * inputs["step_nanoseconds"]
        + inputs["encode_nanoseconds"]
        + inputs["decode_nanoseconds"]
    )
    price = Decimal("0.0316") * 2 * engine / Decimal(3600 * 10**9)
    price += Decimal("0.09") * inputs["egress_bytes"] / 2**30
    assert price == pytest.approx(alone, abs=Decimal("1e-11"))


def test_without_the_first_segment_measured_there_is_no_saving(ask) -> None:
    cost = draw(ask, split=0).json()["hybrid"]["cost"]
    assert cost["saving"] is None
    assert Decimal(cost["cloud"]) > 0
    assert "all_cloud" not in cost


def test_without_prices_time_is_booked_and_nothing_priced(ask, service, terms, meter) -> None:
    service.terms = terms(prices=None)
    cost = draw(ask).json()["hybrid"]["cost"]
    assert cost["nanoseconds"] == {"large": 20100, "small": 15600}
    assert "currency" not in cost
    assert "hybriddiffusion_cost" not in {name for name, *_ in meter.counts}


def test_a_segment_without_a_price_is_booked_and_not_priced(ask, service, meter) -> None:
    service.accounts.resources["small"] = Resources(cpu_cores=Decimal(2), gpus=1, gpu_type="unheard-of")
    cost = draw(ask).json()["hybrid"]["cost"]
    assert cost["nanoseconds"] == {"large": 20100, "small": 15600}
    assert "currency" not in cost
    assert sums(meter, "hybriddiffusion_images") == 1


def test_work_is_booked_to_the_tenant_who_asked(ask, denoisers) -> None:
    draw(ask)
    assert {work.tenant for each in denoisers.values() for work in each.received} == {"anonymous"}


def test_a_picture_after_its_deadline_is_a_miss(ask, service, meter) -> None:
    draw(ask)
    assert sums(meter, "hybriddiffusion_deadline_misses") == 0
    now = service.clock
    service.clock = iter([now(), *[now() + 10_000] * 100]).__next__
    draw(ask)
    assert sums(meter, "hybriddiffusion_deadline_misses") == 1


def test_what_a_failed_image_used_is_no_picture(ask, denoisers, meter) -> None:
    denoisers["small"].script += [lambda work: ReplicaLost("killed")] * 2
    assert draw(ask).status_code == 503
    assert sums(meter, "hybriddiffusion_images") == 0
    assert sums(meter, "hybriddiffusion_repeats") == 1


def test_a_picture_finished_at_the_edge_counts_once(ask, meter) -> None:
    draw(ask)
    given = hand_over(ask)
    for _ in range(2):
        assert report(ask, given, seconds=0.5)["hybrid"]["cost"]["edge_seconds"] == "0.5"
    assert meter.counts["hybriddiffusion_images", "anonymous", "edge"] == 1
    assert (
        meter.counts["hybriddiffusion_handoffs", "issued"] == meter.counts["hybriddiffusion_handoffs", "finished"] == 1
    )
    assert sums(meter, "hybriddiffusion_edge_seconds") == 0.5


def test_a_picture_given_back_counts_as_the_clouds_with_all_that_it_cost(ask, meter) -> None:
    given = hand_over(ask)
    answer = ask("POST", "/v1/handoffs/finish", content=given.content, headers=receipt_of(given))
    cost = answer.json()["hybrid"]["cost"]
    report(ask, given, seconds=0.5)
    assert cost["egress_bytes"] > len(given.content)
    assert set(cost["nanoseconds"]) == {"large", "small"}
    assert sums(meter, "hybriddiffusion_images") == 1
    assert meter.counts["hybriddiffusion_images", "anonymous", "cloud"] == 1
    assert meter.counts["hybriddiffusion_handoffs", "returned"] == 1
    assert sums(meter, "hybriddiffusion_compared_cost") == pytest.approx(float(cost["cloud"]))


def test_a_picture_reported_and_then_given_back_is_compared_once(ask, meter) -> None:
    draw(ask)
    compared = sums(meter, "hybriddiffusion_compared_cost")
    given = hand_over(ask)
    told = report(ask, given, seconds=0.5)["hybrid"]["cost"]
    again = ask("POST", "/v1/handoffs/finish", content=given.content, headers=receipt_of(given)).json()
    assert again["hybrid"]["cost"]["saving"] is None
    assert sums(meter, "hybriddiffusion_compared_cost") == pytest.approx(compared + float(told["cloud"]))


def test_a_picture_given_back_tells_how_large_pictures_are(ask, service) -> None:
    given = hand_over(ask)
    answer = ask("POST", "/v1/handoffs/finish", content=given.content, headers=receipt_of(given)).json()
    assert service.accounts.measured.picture_bytes == {"64x64": len(answer["data"][0]["b64_json"])}


def test_what_is_the_services_fault_is_logged_with_its_code(ask, denoisers, caplog) -> None:
    denoisers["small"].script += [lambda work: ReplicaLost("killed")] * 2
    assert draw(ask, n=11).status_code == 400
    assert not caplog.records
    assert draw(ask).status_code == 503
    (record,) = (each for each in caplog.records if "segment_unavailable" in each.getMessage())
    assert "a red circle" not in record.getMessage()


def test_a_handoff_that_nobody_signed_is_counted_as_refused(ask, meter) -> None:
    assert ask("POST", "/v1/handoffs/finish", content=b"nonsense").is_client_error
    assert meter.counts["hybriddiffusion_handoffs", "refused"] == 1


def test_previews_are_booked_with_their_picture(ask, service) -> None:
    lines = draw(ask, stream=True, partial_images=2).text.splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    sent = sum(len(event["b64_json"]) for event in events)
    cost = events[-1]["hybrid"]["cost"]
    assert len(events) == 3
    assert cost["egress_bytes"] == cost["all_cloud_inputs"]["egress_bytes"] == sent
    totals = {(key.tenant, key.kind): count.quantity for key, count in service.accounts.counts.totals().items()}
    assert totals["anonymous", Kind.EGRESS] == sent
    assert service.accounts.measured.picture_bytes["64x64"] == len(events[-1]["b64_json"])


def test_previews_of_a_picture_that_fails_are_booked_too(ask, denoisers, service) -> None:
    def fail(work):
        time.sleep(0.2)  # the preview is encoded meanwhile, in a thread
        return ReplicaLost("killed")

    denoisers["small"].script += [fail, fail]
    text = draw(ask, stream=True, partial_images=1).text
    (preview,) = (json.loads(line[6:]) for line in text.splitlines() if '"b64_json"' in line)
    totals = {(key.tenant, key.kind): count.quantity for key, count in service.accounts.counts.totals().items()}
    assert totals["anonymous", Kind.EGRESS] == len(preview["b64_json"])


def test_answers_and_first_previews_are_timed(ask, meter) -> None:
    draw(ask, stream=True, partial_images=2)
    assert ("hybriddiffusion_request_seconds", PATH) in meter.observed
    assert meter.observed.count(("hybriddiffusion_first_preview_seconds",)) == 1


def test_answers_are_counted_by_route_and_never_by_path(ask, meter) -> None:
    draw(ask)
    ask("GET", "/v1/models/anything")
    ask("GET", "/invented/path")
    counted = {tuple(labels) for name, *labels in meter.counts if name == "hybriddiffusion_requests"}
    assert counted == {(PATH, "200"), ("/v1/models/{model}", "404"), ("none", "404")}


def test_a_profile_counts_until_something_was_measured() -> None:
    usual = Measured()
    usual.expect("large", {"step": {1: 10.0, 2: 16.0, 4: 24.0}, "decode": {1: 3.0}, "encode": {}})
    assert usual.of("step", segments=("large",)) == 8_000_000
    assert usual.of("decode", segments=("small", "large")) == 3_000_000
    assert usual.of("encode", segments=("large",)) is None
    usual.learn(Booking("large", Usage(nanoseconds={"step": 16_000_000}, rows={"step": 1}), "d"))
    assert usual.of("step", segments=("large",)) == 9_000_000
    usual.expect("large", {"step": {2: 2.0}})
    assert usual.of("step", segments=("large",)) == 9_000_000
