"""Models on the hub, without a network: what lies in the client's cache is found, the rest is one sentence."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from hybrid_engines import models
from hybrid_engines.parts import ModelError

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """A client without network and with an empty cache of its own."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_model_that_is_not_at_hand_is_one_sentence_about_what_to_do():
    with pytest.raises(ModelError, match="not at hand and cannot be fetched") as raised:
        models.open_model(f"hf://org/pair@{REVISION}")
    assert "mount its folder and give `file:///its/folder`" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_model_that_was_fetched_before_opens_without_a_network(offline: Path, tiny_master: Path):
    folder = offline / "models--org--pair" / "snapshots" / REVISION
    shutil.copytree(tiny_master / "large", folder)
    model = models.open_model(f"hf://org/pair@{REVISION}")
    assert model.unet.folder == folder / "unet"
    assert model.digest("unet") == models.open_model((tiny_master / "large").as_uri()).digest("unet")


@pytest.mark.parametrize("address", ["hf://org/pair", "hf://pair@main", "hf://org/pair@", "hf://org/a/b@main"])
def test_an_address_that_names_no_snapshot_is_refused(address):
    with pytest.raises(ModelError, match="names no snapshot"):
        models.open_model(address)
