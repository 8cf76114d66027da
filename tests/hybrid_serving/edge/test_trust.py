"""Which signing keys a device believes."""

import base64
from pathlib import Path

import pytest

from hybrid_serving.edge import trust

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
