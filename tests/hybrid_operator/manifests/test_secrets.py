"""Secrets that are made once: replicas can use them as they are mounted."""

import base64
from pathlib import Path

import pytest
from tests.hybrid_operator.manifests.samples import Manifest, resource

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests
from hybrid_serving import keys
from hybrid_serving.cloud.ingress.mounted import MountedFolder

WISH = "hybriddiffusion.io/rotate-signing-key"


def files(secret: Manifest) -> dict[str, bytes]:
    """What the kubelet would write."""
    return {name: base64.b64decode(value, validate=True) for name, value in secret["data"].items()}


def test_a_made_key_signs() -> None:
    seed = bytes(range(32))
    texts = {
        name: text.decode("ascii") for name, text in files(manifests.signing_secret(resource(), seed=seed)).items()
    }
    signed = keys.KeyRing.from_texts(texts)
    assert signed.public.to_texts().keys() == texts.keys()
    assert [base64.b64decode(text) for text in texts.values()] == [seed]


def test_a_key_of_a_higher_number_comes_later_in_the_alphabet() -> None:
    """The last name signs."""
    names = [
        next(iter(manifests.signing_secret(resource(), seed=bytes(32), number=n)["data"])) for n in (1, 2, 10, 999)
    ]
    assert names == sorted(names)


def test_the_probe_is_a_tenant_of_its_own() -> None:
    assert files(manifests.probe_secret(resource(), key="a-key")) == {"probe": b"a-key"}


def test_replicas_read_what_the_kubelet_mounts(tmp_path: Path) -> None:
    """The kubelet puts files behind two links, so that a change appears whole."""
    (tmp_path / "..2026").mkdir()
    for name, content in files(manifests.probe_secret(resource(), key="a-key")).items():
        (tmp_path / "..2026" / name).write_bytes(content)
        (tmp_path / name).symlink_to(f"..data/{name}")
    (tmp_path / "..data").symlink_to("..2026")
    assert dict(MountedFolder(tmp_path).files()) == {"probe": b"a-key"}


def live(*entries: str, rotated: str = "") -> Manifest:
    """The Secret as metadata tells of it: each entry written by somebody of their own."""
    managed = [{"fieldsV1": {"f:data": {".": {}, f"f:{entry}": {}}}} for entry in entries]
    return {
        "metadata": {
            "name": "shapes-signing",
            "namespace": "pictures",
            "uid": "u",
            "resourceVersion": "7",
            "annotations": {WISH: rotated} if rotated else {},
            "managedFields": [*managed, {"fieldsV1": {"f:metadata": {}}}],
        }
    }


def rotated(secret: Manifest, *, wish: str = "now") -> Manifest | None:
    return manifests.rotated_signing_secret(wishing(wish), secret, seed=bytes(32))


def wishing(wish: str) -> HybridDiffusion:
    return resource({"metadata.annotations": {WISH: wish} if wish else {}})


def test_a_new_key_gets_the_next_number_and_the_one_before_stays() -> None:
    change = rotated(live("key-000009"))
    assert change is not None
    assert list(change["data"]) == ["key-000010"]
    assert change["metadata"] == {
        "name": "shapes-signing",
        "namespace": "pictures",
        "uid": "u",
        "resourceVersion": "7",
        "annotations": {WISH: "now"},
    }


def test_keys_older_than_the_one_before_go() -> None:
    change = rotated(live("key-000002", "key-000001", "key-000003"))
    assert change is not None
    assert change["data"].keys() == {"key-000001", "key-000002", "key-000004"}
    assert change["data"]["key-000001"] is change["data"]["key-000002"] is None


def test_entries_of_other_names_are_not_ours_to_delete() -> None:
    change = rotated(live("key-000001", "mine", "key-x"))
    assert change is not None
    assert list(change["data"]) == ["key-000002"]


@pytest.mark.parametrize("wish", ["", "before"])
def test_without_a_new_wish_no_key_is_made(wish: str) -> None:
    assert rotated(live("key-000001", rotated="before"), wish=wish) is None


def test_a_secret_that_is_made_late_is_not_rotated_at_once() -> None:
    made = manifests.signing_secret(wishing("now"), seed=bytes(32))
    found = {**made, "metadata": {**made["metadata"], "uid": "u", "resourceVersion": "7"}}
    assert rotated(found) is None
