"""Entries that are not what their name says; each is refused by `read`, and `ensure` builds anew (see test_build)."""

import errno
import json
import os
import platform
import shutil
import time

import pytest

from hybrid_engines import digests, locks
from hybrid_engines.cache import (
    ABANDONED_SECONDS,
    MANIFEST,
    Cache,
    CacheUnreadable,
    CacheUnwritable,
    Entry,
    EntryRefused,
)
from hybrid_engines.engine import Facts

KEY = "k" * 64
INGREDIENTS = {"network": "abc", "threads": 1}
FACTS = Facts(macs=10, macs_with_attention=12, parameters=3)


@pytest.fixture
def store(tmp_path):
    """A cache with one entry."""
    return publish(Cache(tmp_path / "cache"))


def publish(store, *, key=KEY, ingredients=INGREDIENTS):
    with store.scratch(key) as folder:
        (folder / "network.blob").write_bytes(bytes(range(200)))
        (folder / "probe.safetensors").write_bytes(b"probe")
        entry = Entry(folder, facts=FACTS, made={"torch": "2"})
        store.publish(entry, key=key, ingredients=ingredients)
    return store


def test_an_entry_comes_back_as_it_was_published(store):
    entry = store.read(KEY, ingredients=INGREDIENTS)
    assert entry == Entry(store.root / KEY, facts=FACTS, made={"torch": "2"})


def test_no_entry_is_none(store):
    assert store.read("0" * 64, ingredients=INGREDIENTS) is None


def test_publishing_leaves_nothing_behind(store):
    assert list((store.root / ".building").iterdir()) == []


@pytest.mark.parametrize("name", [MANIFEST, "network.blob", "probe.safetensors"])
@pytest.mark.parametrize("spoil", ["truncate", "empty", "flip first", "flip last", "remove"])
def test_a_spoiled_file_is_refused(store, name, spoil):
    path = store.root / KEY / name
    data = bytearray(path.read_bytes())
    if spoil.startswith("flip"):
        data[0 if spoil == "flip first" else -1] ^= 1
    path.unlink()
    if spoil != "remove":
        path.write_bytes({"truncate": data[:-1], "empty": b""}.get(spoil, data))
    with pytest.raises(EntryRefused):
        store.read(KEY, ingredients=INGREDIENTS)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_file_system_that_fails_says_nothing_about_an_entry(store, monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(digests, "file_digest", fail)
    with pytest.raises(CacheUnreadable, match=rf"cannot be read \({os.strerror(number)}\); look at the volume"):
        store.read(KEY, ingredients=INGREDIENTS)


def test_a_folder_that_the_file_system_does_not_look_up_says_nothing_about_an_entry(store):
    with pytest.raises(CacheUnreadable, match=r"cannot be read \(File name too long\); look at the volume"):
        store.read("k" * 300, ingredients=INGREDIENTS)


def test_every_bit_of_the_manifest_counts(store):
    path = store.root / KEY / MANIFEST
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        spoiled = bytearray(data)
        spoiled[position] ^= 1
        if json_equal(spoiled, data):
            continue
        path.write_bytes(spoiled)
        with pytest.raises(EntryRefused):
            store.read(KEY, ingredients=INGREDIENTS)


def json_equal(one, other):
    """White space is the one thing that may change."""
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


@pytest.mark.parametrize("manifest", ["[]", "null", '{"digest": 1}', '{"digest": "", "manifest": []}', "\x00\xff"])
def test_a_manifest_of_another_shape_is_refused(store, manifest):
    (store.root / KEY / MANIFEST).write_text(manifest)
    with pytest.raises(EntryRefused, match="cannot be read"):
        store.read(KEY, ingredients=INGREDIENTS)


def test_a_foreign_entry_under_our_name_is_refused_and_the_difference_named(store):
    publish(store, key="f" * 64, ingredients={"network": "abc", "threads": 2})
    shutil.rmtree(store.root / KEY)
    (store.root / ("f" * 64)).rename(store.root / KEY)
    with pytest.raises(EntryRefused, match="made for something else: threads 2 instead of 1"):
        store.read(KEY, ingredients=INGREDIENTS)


def test_a_folder_in_the_place_of_a_file_is_refused(store, tmp_path):
    (store.root / KEY / "network.blob").unlink()
    (store.root / KEY / "network.blob").symlink_to(tmp_path)
    with pytest.raises(EntryRefused):
        store.read(KEY, ingredients=INGREDIENTS)


def test_a_quarantined_entry_is_out_of_the_way_with_its_reason(store):
    store.quarantine(KEY, reason="it lied")
    assert store.read(KEY, ingredients=INGREDIENTS) is None
    assert (store.root / ".quarantine" / KEY / "reason.txt").read_text() == "it lied\n"


def test_only_the_last_bad_entry_of_a_key_is_kept(store):
    store.quarantine(KEY, reason="first")
    publish(store)
    store.quarantine(KEY, reason="second")
    assert [path.name for path in (store.root / ".quarantine").iterdir()] == [KEY]
    assert (store.root / ".quarantine" / KEY / "reason.txt").read_text() == "second\n"


def test_who_publishes_second_keeps_the_first_entry(store):
    """Two builders can only meet on a file system without locks; both made the same."""
    before = (store.root / KEY / MANIFEST).stat().st_ino
    publish(store)
    assert (store.root / KEY / MANIFEST).stat().st_ino == before
    assert list((store.root / ".building").iterdir()) == []


def test_an_entry_that_cannot_be_moved_is_still_refused(store):
    (store.root / ".quarantine").write_text("in the way")
    (store.root / KEY / "network.blob").write_bytes(b"")
    store.quarantine(KEY, reason="it lied")
    assert (store.root / KEY).is_dir()
    with pytest.raises(EntryRefused, match="is not the file that was published"):
        store.read(KEY, ingredients=INGREDIENTS)


def test_quarantining_what_another_process_has_moved_is_no_error(store):
    store.quarantine(KEY, reason="first")
    store.quarantine(KEY, reason="second")
    assert (store.root / ".quarantine" / KEY / "reason.txt").read_text() == "first\n"
    assert (store.root / ".quarantine" / KEY / "network.blob").is_file()


def test_a_lock_that_cannot_be_opened_is_one_sentence(store):
    (store.root / ".locks" / f"{KEY}.lock").mkdir(parents=True)
    with pytest.raises(CacheUnwritable, match=r"cannot be written \(Is a directory\); make it writable"):
        store.lock(KEY, on_wait=lambda: None).__enter__()


def test_what_a_builder_meets_under_the_lock_is_not_blamed_on_the_lock(store):
    with pytest.raises(OSError, match="of the builder"), store.lock(KEY, on_wait=lambda: None):
        raise OSError("of the builder")


def half_built(store):
    """A folder in which somebody is building."""
    with store.scratch(KEY) as folder:
        name = folder.name
    folder = store.root / ".building" / name
    folder.mkdir()
    (folder / "half").write_text("")
    return folder


def age(*paths):
    long_ago = time.time() - 2 * ABANDONED_SECONDS
    for path in paths:
        os.utime(path, (long_ago, long_ago))


def has_no_locks(monkeypatch):
    """Make it a file system that has none."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)


def lock(store):
    with store.lock(KEY, on_wait=lambda: pytest.fail("had to wait")):
        pass


def test_what_a_killed_builder_left_is_removed_by_the_next(store):
    left = half_built(store)
    lock(store)
    assert not left.exists()


def test_what_a_builder_of_another_machine_has_begun_stays(store, monkeypatch):
    """Not every file system carries its locks from one machine to another."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(platform, "node", lambda: "elsewhere")
        begun = half_built(store)
    lock(store)
    assert (begun / "half").exists()


def test_what_somebody_has_begun_where_nothing_locks_stays(store, monkeypatch):
    has_no_locks(monkeypatch)
    begun = half_built(store)
    lock(store)
    assert (begun / "half").exists()


def test_what_nobody_has_touched_for_long_is_removed_even_where_nothing_locks(store, monkeypatch):
    has_no_locks(monkeypatch)
    begun, left = half_built(store), half_built(store)
    age(begun, left, left / "half")
    lock(store)
    assert (begun / "half").exists(), "something in it is new"
    assert not left.exists()


def test_what_was_killed_on_its_way_to_quarantine_is_removed_and_the_evidence_stays(store):
    store.quarantine(KEY, reason="it lied")
    left = store.root / ".quarantine" / f"{KEY}-0123abcd"
    left.mkdir()
    age(left, store.root / ".quarantine" / KEY)
    lock(store)
    assert [path.name for path in (store.root / ".quarantine").iterdir()] == [KEY]
