import hashlib

import pytest

from hybrid_engines import digests


@pytest.fixture
def big(tmp_path, monkeypatch):
    """A file that counts as large, and a folder that remembers."""
    monkeypatch.setattr(digests, "LARGE_BYTES", 4)
    path = tmp_path / "weights"
    path.write_bytes(b"one of many")
    return path, tmp_path / "memory"


def test_a_file_is_digested_by_its_bytes(big):
    path, memory = big
    assert digests.file_digest(path, memory=memory) == hashlib.sha256(b"one of many").hexdigest()
    assert digests.file_digest(path) == digests.file_digest(path, memory=memory)


def test_a_rewritten_file_is_read_again(big):
    path, memory = big
    digests.file_digest(path, memory=memory)
    path.write_bytes(b"ONE OF MANY")
    assert digests.file_digest(path, memory=memory) == hashlib.sha256(b"ONE OF MANY").hexdigest()


def test_a_large_file_is_read_once_over_all_processes(big):
    path, memory = big
    digests.file_digest(path, memory=memory)
    (note,) = memory.iterdir()
    note.write_text("f" * 64)
    assert digests.file_digest(path, memory=memory) == "f" * 64


@pytest.mark.parametrize("text", ["", "short", "f" * 65])
def test_a_broken_note_is_not_believed(big, text):
    path, memory = big
    digests.file_digest(path, memory=memory)
    (note,) = memory.iterdir()
    note.write_text(text)
    assert digests.file_digest(path, memory=memory) == hashlib.sha256(b"one of many").hexdigest()


def test_a_memory_that_cannot_be_written_is_done_without(big, tmp_path):
    path, _ = big
    (tmp_path / "file").write_text("")
    assert digests.file_digest(path, memory=tmp_path / "file" / "memory")


def test_the_order_of_keys_does_not_change_a_digest():
    assert digests.value_digest({"a": 1, "b": [2]}) == digests.value_digest({"b": [2], "a": 1})
    assert digests.value_digest({"a": 1}) != digests.value_digest({"a": 2})
