"""Which signing keys a device believes."""

import base64
from pathlib import Path
from typing import Any

import pytest

from hybrid_serving.edge import trust
from hybrid_serving.keys import KeyRing

URL = "http://127.0.0.1:8000"
FIRST = {"a": base64.b64encode(bytes(range(32))).decode()}
OTHER = {"b": base64.b64encode(bytes(range(1, 33))).decode()}


def test_keys_that_changed_altogether_are_refused(tmp_path: Path) -> None:
    trust.pinned(FIRST, url=URL, folder=tmp_path)
    with pytest.raises(trust.KeysChanged, match="other than those seen before"):
        trust.pinned(OTHER, url=URL, folder=tmp_path)


def test_another_key_under_a_pinned_id_is_refused(tmp_path: Path) -> None:
    trust.pinned(FIRST, url=URL, folder=tmp_path)
    with pytest.raises(trust.KeysChanged):
        trust.pinned({"a": OTHER["b"]}, url=URL, folder=tmp_path)


def test_a_key_beside_a_pinned_one_is_not_believed(tmp_path: Path) -> None:
    trust.pinned(FIRST, url=URL, folder=tmp_path)
    assert trust.pinned(FIRST | OTHER, url=URL, folder=tmp_path).by_id.keys() == {"a"}
    assert trust.pinned(FIRST, url=URL, folder=tmp_path).by_id.keys() == {"a"}


def a_ring(*names: str) -> KeyRing:
    return KeyRing.from_texts({name: base64.b64encode(name.encode() * 32).decode() for name in names})


def seen(ring: KeyRing, folder: Path, **changes: Any) -> set[str]:
    offers = {"offered": ring.public.to_texts(), "vouchers": ring.vouchers(), **changes}
    return set(trust.pinned(offers.pop("offered"), url=URL, folder=folder, **offers).by_id)


def test_a_key_that_a_pinned_one_vouches_for_is_believed_from_then_on(tmp_path: Path) -> None:
    assert seen(a_ring("a"), tmp_path) == {"a"}
    assert seen(a_ring("a", "b"), tmp_path) == {"a", "b"}
    assert seen(a_ring("b", "c"), tmp_path) == {"a", "b", "c"}, "a is not offered any more, and vouched for b"
    assert seen(a_ring("c"), tmp_path) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "vouchers",
    [
        {},
        {"a": "%%%"},
        {"a": ""},
        {"a": base64.b64encode(bytes(64)).decode()},
        {"b": a_ring("a", "b").vouchers()["a"]},
        {"a": a_ring("b", "c").vouchers()["b"]},
        {"a": a_ring("a", "c").vouchers()["a"]},
        {"a": 7},
        {"stranger": a_ring("a", "b").vouchers()["a"]},
    ],
    ids=[
        "none",
        "no base64",
        "empty",
        "zeros",
        "its own",
        "of another key",
        "for another key",
        "a number",
        "of a stranger",
    ],
)
def test_a_key_that_no_pinned_one_vouches_for_is_not_believed(tmp_path: Path, vouchers: dict[str, str]) -> None:
    seen(a_ring("a"), tmp_path)
    assert seen(a_ring("a", "b"), tmp_path, vouchers=vouchers) == {"a"}


def test_a_voucher_is_for_one_key_under_one_name(tmp_path: Path) -> None:
    ring = a_ring("a", "b")
    seen(a_ring("a"), tmp_path)
    renamed = {"a": ring.public.to_texts()["a"], "c": ring.public.to_texts()["b"]}
    assert seen(ring, tmp_path, offered=renamed) == {"a"}


def test_a_key_that_is_not_offered_vouches_for_nothing_new_alone(tmp_path: Path) -> None:
    seen(a_ring("a"), tmp_path)
    ring = a_ring("a", "b")
    with pytest.raises(trust.KeysChanged):
        seen(ring, tmp_path, offered={"b": ring.public.to_texts()["b"]})


def test_a_service_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(trust.TrustError, match="offers no key"):
        trust.pinned({}, url=URL, folder=tmp_path)


@pytest.mark.parametrize("offered", [{"a": "no base64"}, {"a": "AAAA"}, {"no name!": FIRST["a"]}])
def test_a_key_that_is_none_is_refused_and_not_pinned(tmp_path: Path, offered: dict[str, str]) -> None:
    with pytest.raises(trust.TrustError):
        trust.pinned(offered, url=URL, folder=tmp_path)
    assert trust.pinned(FIRST, url=URL, folder=tmp_path).by_id.keys() == {"a"}


def test_pins_that_cannot_be_read_are_not_replaced(tmp_path: Path) -> None:
    trust.pinned(FIRST, url=URL, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    with pytest.raises(trust.TrustError, match="remove it to pin anew"):
        trust.pinned(FIRST, url=URL, folder=tmp_path)


def test_services_are_pinned_apart(tmp_path: Path) -> None:
    trust.pinned(FIRST, url=URL, folder=tmp_path)
    assert trust.pinned(OTHER, url="https://elsewhere", folder=tmp_path).by_id.keys() == {"b"}


def test_a_given_key_needs_its_id() -> None:
    assert trust.given(f"a={FIRST['a']}").by_id.keys() == {"a"}
    for text in (FIRST["a"].rstrip("="), "a=", "a=%%%"):
        with pytest.raises(trust.TrustError):
            trust.given(text)
