"""The folder that a local server keeps: one server a folder, keys as files that only their owner reads."""

import base64
from pathlib import Path

import pytest

from hybrid_serving.cli import mounts
from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.state import Running, StateFolder, default_folder
from hybrid_serving.keys import KeyRing

RUNNING = Running(name="shapes", host="0.0.0.0", port=8000, dashboard_url="http://127.0.0.1:8265", token_path="t")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_has_one_server_at_a_time(tmp_path: Path) -> None:
    with StateFolder(tmp_path).held() as first, StateFolder(tmp_path).held() as second:
        assert (first, second) == (True, False)
    with StateFolder(tmp_path).held() as third:
        assert third


def test_a_second_server_finds_the_first(tmp_path: Path) -> None:
    with StateFolder(tmp_path).held():
        StateFolder(tmp_path).write(RUNNING)
        with StateFolder(tmp_path).held() as is_ours:
            assert not is_ours
            assert StateFolder(tmp_path).read() == RUNNING


def test_a_server_that_still_starts_cannot_be_changed(tmp_path: Path) -> None:
    with StateFolder(tmp_path).held(), pytest.raises(Failure, match="still starting"):
        StateFolder(tmp_path).read()


def test_the_record_of_a_dead_server_is_not_believed(tmp_path: Path) -> None:
    StateFolder(tmp_path).write(RUNNING)
    with StateFolder(tmp_path).held() as is_ours:
        assert is_ours
        with pytest.raises(Failure):
            StateFolder(tmp_path).read()


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYBRID_STATE_PATH", str(tmp_path))
    assert default_folder() == tmp_path


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    mounts.write(tmp_path / "mounts", api_keys={"demo": b"secret"}, signing={})
    found = [path for path in (tmp_path / "mounts").rglob("*") if path.is_file()]
    assert {path.parent.name for path in found} == {"api-keys", "signing"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in found)
    assert (tmp_path / "mounts").stat().st_mode & 0o077 == 0


def test_the_probe_has_a_key_of_its_own_that_survives_a_change(tmp_path: Path) -> None:
    mounts.write(tmp_path, api_keys={"demo": b"secret"}, signing={})
    key = mounts.probe_key(tmp_path)
    mounts.write(tmp_path, api_keys={"demo": b"other"}, signing={})
    assert key not in {None, b"secret"}
    assert files(tmp_path / "api-keys") == {"demo": b"other", "probe": key}


def test_a_service_without_keys_stays_open(tmp_path: Path) -> None:
    mounts.write(tmp_path, api_keys={}, signing={})
    assert files(tmp_path / "api-keys") == {}
    assert mounts.probe_key(tmp_path) is None


def test_a_removed_tenant_loses_its_key(tmp_path: Path) -> None:
    mounts.write(tmp_path, api_keys={"demo": b"1", "other": b"2"}, signing={})
    mounts.write(tmp_path, api_keys={"demo": b"1"}, signing={})
    assert "other" not in files(tmp_path / "api-keys")


def test_a_signing_key_is_made_once(tmp_path: Path) -> None:
    mounts.write(tmp_path, api_keys={}, signing={})
    first = files(tmp_path / "signing")
    mounts.write(tmp_path, api_keys={}, signing={})
    assert files(tmp_path / "signing") == first
    assert KeyRing.from_texts({name: text.decode() for name, text in first.items()}).signing.id == "local"


def test_a_given_signing_key_takes_the_place_of_the_made_one(tmp_path: Path) -> None:
    seed = base64.b64encode(bytes(32))
    mounts.write(tmp_path, api_keys={}, signing={})
    mounts.write(tmp_path, api_keys={}, signing={"a": seed})
    assert files(tmp_path / "signing") == {"a": seed}
