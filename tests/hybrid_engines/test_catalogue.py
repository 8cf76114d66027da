"""What people are told about the cache, and what they find out with it."""

import errno
import os
from pathlib import Path

import pytest

from hybrid_engines import catalogue, digests
from hybrid_engines.cache import MANIFEST, Cache, CacheUnreadable, EntryRefused


def the_key(cache):
    (key,) = catalogue.keys(Cache(cache))
    return key


def test_an_entry_says_what_it_was_made_of_and_that_it_was_verified(cache):
    found = catalogue.describe(Cache(cache), the_key(cache))
    assert (found.made["model"], found.made["component"], found.made["size"]) == ("tiny/large", "text_encoder", "16x16")
    assert found.ingredients["precision"] == "f32"
    assert found.facts["parameters"] > 0
    assert found.is_verified
    assert set(found.examinations[0].milliseconds) == {1, 2, 4}
    assert found.size_bytes > 1000


def test_a_folder_that_does_not_exist_has_no_entries(tmp_path):
    assert catalogue.keys(Cache(tmp_path / "nowhere")) == []
    assert list(catalogue.quarantined(Cache(tmp_path / "nowhere"))) == []


def test_a_renamed_entry_is_seen_without_a_model(cache):
    (cache / the_key(cache)).rename(cache / ("0" * 64))
    with pytest.raises(EntryRefused, match="was renamed"):
        catalogue.describe(Cache(cache), "0" * 64)


@pytest.mark.parametrize("name", ["network.blob", "probe.safetensors", MANIFEST])
def test_a_flipped_bit_is_found_and_quarantined_with_the_reason(cache, name):
    store, key = Cache(cache), the_key(cache)
    data = bytearray((cache / key / name).read_bytes())
    data[len(data) // 2] ^= 1
    (cache / key / name).write_bytes(data)
    with pytest.raises(EntryRefused) as raised:
        catalogue.check(store, key)
    assert catalogue.keys(store) == []
    assert list(catalogue.quarantined(store)) == [(key, str(raised.value))]


def test_what_a_process_left_that_was_killed_on_the_way_to_quarantine_is_not_shown(cache):
    store, key = Cache(cache), the_key(cache)
    store.quarantine(key, reason="it lied")
    left = cache / ".quarantine" / f"{key}-0123abcd"
    left.mkdir()
    (left / "reason.txt").write_text("half way\n")
    assert list(catalogue.quarantined(store)) == [(key, "it lied")]


def test_a_missing_file_is_found(cache):
    store, key = Cache(cache), the_key(cache)
    (cache / key / "network.blob").unlink()
    with pytest.raises(EntryRefused, match="cannot be read"):
        catalogue.check(store, key)
    assert catalogue.keys(store) == []


def test_a_spoiled_examination_costs_the_proof_and_not_the_engine(cache):
    store, key = Cache(cache), the_key(cache)
    (path,) = (cache / key).glob("devices/*/examination.json")
    path.write_bytes(b"")
    assert not catalogue.check(store, key).is_verified
    assert catalogue.keys(store) == [key]


def test_an_examination_that_is_being_written_costs_nothing(cache, monkeypatch):
    store, key = Cache(cache), the_key(cache)
    (folder,) = (cache / key).glob("devices/*")
    scratch = folder / "examination.json.77"
    scratch.write_bytes(b"{}")
    is_file = Path.is_file

    def is_file_and_then_renamed(path):
        found = is_file(path)
        if path == scratch:
            scratch.replace(folder / "examination.json.78")
        return found

    monkeypatch.setattr(Path, "is_file", is_file_and_then_renamed)
    assert catalogue.check(store, key).is_verified
    assert not scratch.exists(), "it was not looked at"
    assert catalogue.keys(store) == [key]


def test_a_good_entry_stays(cache):
    store, key = Cache(cache), the_key(cache)
    assert catalogue.check(store, key).key == key
    assert catalogue.keys(store) == [key]


def test_a_file_system_that_fails_puts_nothing_into_quarantine(cache, monkeypatch):
    store, key = Cache(cache), the_key(cache)

    def fail(*_, **__):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(digests, "file_digest", fail)
    with pytest.raises(CacheUnreadable, match="look at the volume"):
        catalogue.check(store, key)
    assert catalogue.keys(store) == [key]
