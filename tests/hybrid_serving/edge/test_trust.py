"""Which signing keys a device believes."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hybrid_serving.edge import trust
from hybrid_serving.keys import KeyRing, PublicKeys, write_token

URL = "http://127.0.0.1:8000"
FIRST = {"a": base64.b64encode(bytes(range(32))).decode()}
OTHER = {"b": base64.b64encode(bytes(range(1, 33))).decode()}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pinned(
    offered: dict[str, str], *, folder: Path, vouchers: dict[str, Any] | None = None, url: str = URL
) -> PublicKeys:
    return trust.pinned(offered, vouchers=vouchers or {}, url=url, folder=folder, now=NOW)


def receipt_like(name: str) -> str:
    """A token of the same key for another use."""
    ring = KeyRing.from_texts({name: base64.b64encode(name.encode() * 32).decode()})
    claims, until = {"keys": ring.public.to_texts() | OTHER}, NOW + timedelta(hours=1)
    return write_token(claims, key=ring.signing, audience="hybriddiffusion.io/receipt", expires_at=until)


def test_keys_that_changed_altogether_are_refused(tmp_path: Path) -> None:
    pinned(FIRST, folder=tmp_path)
    with pytest.raises(trust.KeysChanged, match="other than those seen before"):
        pinned(OTHER, folder=tmp_path)


def test_another_key_under_a_pinned_id_is_refused(tmp_path: Path) -> None:
    pinned(FIRST, folder=tmp_path)
    with pytest.raises(trust.KeysChanged):
        pinned({"a": OTHER["b"]}, folder=tmp_path)


def test_a_key_beside_a_pinned_one_is_not_believed(tmp_path: Path) -> None:
    pinned(FIRST, folder=tmp_path)
    assert pinned(FIRST | OTHER, folder=tmp_path).by_id.keys() == {"a"}
    assert pinned(FIRST, folder=tmp_path).by_id.keys() == {"a"}


def a_ring(*names: str) -> KeyRing:
    return KeyRing.from_texts({name: base64.b64encode(name.encode() * 32).decode() for name in names})


def vouchers(*names: str, now: datetime = NOW) -> dict[str, str]:
    return a_ring(*names).vouchers(now=now)


def seen(folder: Path, *names: str, **changes: Any) -> set[str]:
    """What a device believes after it was offered the keys of these names."""
    offer = {"offered": a_ring(*names).public.to_texts(), "vouchers": vouchers(*names), **changes}
    return set(pinned(offer["offered"], folder=folder, vouchers=offer["vouchers"]).by_id)


def test_pins_follow_the_list_that_a_pinned_key_has_signed(tmp_path: Path) -> None:
    assert seen(tmp_path, "a") == {"a"}
    assert seen(tmp_path, "a", "b") == {"a", "b"}
    assert seen(tmp_path, "b", "c") == {"b", "c"}, "what the service has no more is believed no more"
    assert seen(tmp_path, "c") == {"c"}


def test_a_key_that_was_retired_vouches_for_nothing(tmp_path: Path) -> None:
    for names in (("a",), ("a", "b"), ("b", "c")):
        seen(tmp_path, *names)
    with pytest.raises(trust.KeysChanged):
        seen(tmp_path, "a", "z")


@pytest.mark.parametrize("old", [("a", "b"), ("a", "b", "c"), ("b",)])
def test_an_old_list_brings_no_old_key_back(tmp_path: Path, old: tuple[str, ...]) -> None:
    for names in (("a",), ("a", "b"), ("b", "c")):
        seen(tmp_path, *names)
    assert "a" not in seen(tmp_path, "b", "c", vouchers=vouchers(*old))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"a": "%%%"},
        {"a": ""},
        {"a": 7},
        {"b": vouchers("a", "b")["b"]},
        {"a": vouchers("b", "c")["b"]},
        {"stranger": vouchers("a", "b")["a"]},
        vouchers("a", "b", now=NOW - timedelta(hours=2)),
        {"a": receipt_like("a")},
    ],
    ids=["none", "no token", "empty", "a number", "its own", "of another", "of a stranger", "old", "for another use"],
)
def test_a_key_that_no_pinned_one_vouches_for_is_not_believed(tmp_path: Path, given: dict[str, Any]) -> None:
    seen(tmp_path, "a")
    assert seen(tmp_path, "a", "b", vouchers=given) == {"a"}


def test_what_is_signed_and_is_no_list_is_refused(tmp_path: Path) -> None:
    seen(tmp_path, "a")
    for keys in ({}, [], {"a": FIRST["a"]}, {"b": OTHER["b"]}):
        with pytest.raises(trust.TrustError, match="no list with that key in it"):
            seen(tmp_path, "a", vouchers={"a": a_list(keys)})
    assert seen(tmp_path, "a") == {"a"}


def a_list(keys: object) -> str:
    audience = "hybriddiffusion.io/signing-keys"
    return write_token({"keys": keys}, key=a_ring("a").signing, audience=audience, expires_at=NOW + timedelta(hours=1))


def test_a_given_key_may_be_followed_too() -> None:
    first = a_ring("a").public.to_texts()["a"]
    assert set(trust.given(f"a={first}", vouchers=vouchers("a", "b"), now=NOW).by_id) == {"a", "b"}
    assert set(trust.given(f"a={first}", vouchers=vouchers("b", "c"), now=NOW).by_id) == {"a"}


def test_a_service_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(trust.TrustError, match="offers no key"):
        pinned({}, folder=tmp_path)


@pytest.mark.parametrize("offered", [{"a": "no base64"}, {"a": "AAAA"}, {"no name!": FIRST["a"]}])
def test_a_key_that_is_none_is_refused_and_not_pinned(tmp_path: Path, offered: dict[str, str]) -> None:
    with pytest.raises(trust.TrustError):
        pinned(offered, folder=tmp_path)
    assert pinned(FIRST, folder=tmp_path).by_id.keys() == {"a"}


def test_pins_that_cannot_be_read_are_not_replaced(tmp_path: Path) -> None:
    pinned(FIRST, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    with pytest.raises(trust.TrustError, match="remove it to pin anew"):
        pinned(FIRST, folder=tmp_path)


def test_services_are_pinned_apart(tmp_path: Path) -> None:
    pinned(FIRST, folder=tmp_path)
    assert pinned(OTHER, folder=tmp_path, url="https://elsewhere").by_id.keys() == {"b"}


def test_a_given_key_needs_its_id() -> None:
    assert trust.given(f"a={FIRST['a']}", vouchers={}, now=NOW).by_id.keys() == {"a"}
    for text in (FIRST["a"].rstrip("="), "a=", "a=%%%"):
        with pytest.raises(trust.TrustError):
            trust.given(text, vouchers={}, now=NOW)
