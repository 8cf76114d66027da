"""A device and a service: what is genuine is finished, what is not goes nowhere, what cannot be finished goes back."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_engines.spec import EngineError
from hybrid_serving import handoff as handoffs
from hybrid_serving import pixels
from hybrid_serving.edge import trust
from hybrid_serving.edge.client import HandedOver, Refused
from hybrid_serving.edge.session import Session
from hybrid_serving.keys import KeyRing

ORDER = {"prompt": "a red circle"}


@pytest.fixture
def a_session(ring: KeyRing, fakes: Any) -> Callable[..., Session]:
    def make(cloud: Any, **fields: Any) -> Session:
        made = {"service": cloud.service, "keys": ring.public, "segment": "small", "device": fakes.device()}
        return Session(**{**made, "now": lambda: fakes.now, **fields})

    return make


@pytest.mark.parametrize("position", [0, 9, 12, 40, 300, -1])
def test_a_tampered_handoff_is_refused_and_not_passed_on(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any, ring: KeyRing, position: int
) -> None:
    data = bytearray(handoffs.pack(fakes.handoff(), key=ring.signing))
    data[position] ^= 1
    cloud, unet = a_cloud(bytes(data)), fakes.unet()
    with pytest.raises(handoffs.HandoffError):
        a_session(cloud, device=fakes.device(unet)).draw(ORDER)
    assert cloud.paths() == ["/v1/handoffs"]
    assert unet.calls == 0


def test_a_handoff_signed_by_a_stranger_is_refused(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any
) -> None:
    cloud = a_cloud(fakes.handoff())
    stranger = KeyRing.from_texts({"a": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="})
    with pytest.raises(handoffs.HandoffForged):
        a_session(cloud, keys=stranger.public).draw(ORDER)


def test_after_a_rotation_of_keys_the_pin_to_remove_is_named(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any, tmp_path: Path
) -> None:
    cloud, keys = a_cloud(fakes.handoff()), {"old": base64.b64encode(bytes(range(32))).decode()}
    old = trust.pinned(keys, vouchers={}, url="http://service", folder=tmp_path, now=fakes.now)
    (path,) = tmp_path.iterdir()
    session = a_session(cloud, keys=old, pin=trust.pin("http://service", folder=tmp_path))
    with pytest.raises(trust.TrustError, match=f"key `a`.*remove {re.escape(str(path))}"):
        session.draw(ORDER)
    with pytest.raises(trust.TrustError, match="key `a`, which is not among those that were given"):
        a_session(cloud, keys=old).draw(ORDER)


def test_an_expired_handoff_is_refused(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any
) -> None:
    cloud = a_cloud(fakes.handoff())
    with pytest.raises(handoffs.HandoffExpired):
        a_session(cloud, now=lambda: fakes.now + timedelta(minutes=6)).draw(ORDER)


def test_half_a_handoff_is_refused(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any, ring: KeyRing
) -> None:
    data = handoffs.pack(fakes.handoff(), key=ring.signing)
    with pytest.raises(handoffs.HandoffTruncated):
        a_session(a_cloud(data[: len(data) // 2])).draw(ORDER)


def test_what_the_device_can_finish_is_finished_and_reported(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any
) -> None:
    cloud = a_cloud(fakes.handoff(split=2))
    drawn = a_session(cloud).draw(ORDER)
    wanted = fakes.device().finish(fakes.handoff(split=2), segment="small").pixels
    assert (drawn.finished_on, drawn.reason) == ("edge", None)
    assert drawn.picture == pixels.encode(wanted)
    assert cloud.paths() == ["/v1/handoffs", f"/v1/handoffs/{drawn.handoff.request}/report"]
    report = json.loads(cloud.asked[-1].content)
    assert report == {"seconds": drawn.edge_seconds, "steps": 4}


def test_a_report_that_fails_spoils_no_picture(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any
) -> None:
    cloud = a_cloud(fakes.handoff())
    cloud.report_status = 500
    drawn = a_session(cloud).draw(ORDER)
    assert drawn.finished_on == "edge"
    assert drawn.answer["hybrid"] is None


def broken(fakes: Any) -> Any:
    def fail() -> None:
        raise EngineError("The engine broke.")

    return fakes.device(fakes.unet(before=fail))


def nan_decoder(fakes: Any) -> Any:
    decoder = fakes.decoder()
    decoder._compute = lambda arrays, _: np.full((1, 3, 64, 64), np.nan)
    return fakes.device(decoder=decoder)


@pytest.mark.parametrize(
    ("make_device", "change", "reason"),
    [
        (lambda _: None, {}, "no engine"),
        (broken, {}, "The engine broke"),
        (nan_decoder, {}, "not finite"),
        (lambda fakes: fakes.device(fakes.unet(network="another")), {}, "this device has another"),
        (lambda fakes: fakes.device(), {"networks": {"large": "large"}}, "segment `small` is network none"),
    ],
    ids=["no device", "engine fails", "picture not finite", "another network", "segment unknown"],
)
def test_what_the_device_cannot_finish_goes_back_unchanged(
    a_cloud: Callable[..., Any],
    a_session: Callable[..., Session],
    fakes: Any,
    make_device: Callable[[Any], Any],
    change: dict[str, Any],
    reason: str,
) -> None:
    cloud = a_cloud(fakes.handoff(**change))
    drawn = a_session(cloud, device=make_device(fakes), excuse="There is no engine.").draw(ORDER)
    assert (drawn.finished_on, drawn.picture) == ("cloud", b"cloud's picture")
    assert reason in (drawn.reason or "")
    assert cloud.paths() == ["/v1/handoffs", "/v1/handoffs/finish"]
    assert cloud.asked[-1].content == cloud.data


def test_levels_that_the_network_never_saw_go_back(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any
) -> None:
    handoff = fakes.handoff()
    entries = tuple(replace(entry, level=entry.level + 5000.0) for entry in handoff.table.entries)
    cloud = a_cloud(replace(handoff, table=replace(handoff.table, entries=entries)))
    assert "was not trained on them" in (a_session(cloud).draw(ORDER).reason or "")


def test_a_table_for_another_prediction_goes_back(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any
) -> None:
    handoff = fakes.handoff()
    cloud = a_cloud(replace(handoff, table=replace(handoff.table, prediction="epsilon")))
    assert "table is for `epsilon`" in (a_session(cloud).draw(ORDER).reason or "")


def test_a_service_that_takes_nothing_back_is_told(
    a_cloud: Callable[..., Any], a_session: Callable[..., Session], fakes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = a_cloud(fakes.handoff())

    def refuse(_: HandedOver) -> dict[str, Any]:
        raise Refused("The handoff expired.", status=410, code="handoff_expired")

    monkeypatch.setattr(cloud.service, "finish_handoff", refuse)
    with pytest.raises(Refused, match="expired"):
        a_session(cloud, device=None).draw(ORDER)
