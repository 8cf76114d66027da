"""Secrets that are made once: replicas can use them as they are mounted."""

import base64
from pathlib import Path

from tests.hybrid_operator.manifests.samples import Manifest, resource

from hybrid_operator import manifests
from hybrid_serving import keys
from hybrid_serving.cloud.ingress.mounted import MountedFolder


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
