"""What is counted, and that it agrees with what clients are told."""

import base64
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hybrid_serving import handoff as files
from hybrid_serving.cloud.ingress.dispatch import Booking, ReplicaLost
from hybrid_serving.cloud.ingress.measured import Measured
from hybrid_serving.keys import PublicKeys
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


def hand_over(ask) -> bytes:
    return ask("POST", "/v1/handoffs", json={"prompt": "a red circle"}).content


def report(ask, data: bytes, *, seconds: float):
    keys = PublicKeys.from_texts(ask("GET", "/v1/capabilities").json()["signing_keys"])
    handoff = files.unpack(data, keys=keys, now=datetime.now(UTC))
    return ask("POST", f"/v1/handoffs/{handoff.request}/report", json={"seconds": seconds}).json()


def test_money_counted_is_money_told(ask, meter) -> None:
    told = [draw(ask, n=n).json()["hybrid"]["cost"] for n in (1, 3)]
    assert sums(meter, "hybriddiffusion_cost") == pytest.approx(float(sum(Decimal(each["cloud"]) for each in told)))
    assert sums(meter, "hybriddiffusion_all_cloud_cost") == pytest.approx(
        float(sum(Decimal(each["all_cloud"]) for each in told))
    )
    assert sums(meter, "hybriddiffusion_images") == 4
    nanoseconds = sum(sum(each["nanoseconds"].values()) for each in told)
    assert sums(meter, "hybriddiffusion_booked_engine_seconds") == pytest.approx(nanoseconds / 1e9)


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


def test_what_a_failed_image_used_is_counted_too(ask, denoisers, meter) -> None:
    denoisers["small"].script += [lambda work: ReplicaLost("killed")] * 2
    assert draw(ask).status_code == 503
    assert sums(meter, "hybriddiffusion_cost") > 0
    assert sums(meter, "hybriddiffusion_images") == 0
    assert sums(meter, "hybriddiffusion_repeats") == 1


def test_a_picture_finished_at_the_edge_counts_once(ask, meter) -> None:
    draw(ask)
    data = hand_over(ask)
    for _ in range(2):
        assert report(ask, data, seconds=0.5)["hybrid"]["cost"]["edge_seconds"] == "0.5"
    assert meter.counts["hybriddiffusion_images", "anonymous", "edge"] == 1
    assert sums(meter, "hybriddiffusion_edge_seconds") == 0.5


def test_a_picture_given_back_counts_as_the_clouds_with_all_that_it_cost(ask, meter) -> None:
    data = hand_over(ask)
    cost = ask("POST", "/v1/handoffs/finish", content=data).json()["hybrid"]["cost"]
    report(ask, data, seconds=0.5)
    assert cost["egress_bytes"] > len(data)
    assert set(cost["nanoseconds"]) == {"large", "small"}
    assert sums(meter, "hybriddiffusion_images") == 1
    assert meter.counts["hybriddiffusion_images", "anonymous", "cloud"] == 1
    assert sums(meter, "hybriddiffusion_cost") == pytest.approx(float(cost["cloud"]))


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
