import errno
import os
import threading
import time

import pytest

from hybrid_engines import locks


@pytest.fixture(params=["kernel", "marker"])
def path(request, tmp_path, monkeypatch):
    """A lock's name; once on a file system with locks and once on one without."""
    if request.param == "marker":

        def refuse(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(locks.fcntl, "flock", refuse)
        monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.05)
    return tmp_path / "locks" / "key.lock"


def test_one_builder_at_a_time(path):
    inside, most, waited = [], [], []

    def work(number):
        with locks.exclusive(path, on_wait=lambda: waited.append(number)):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
    assert waited


def test_a_lock_is_free_again_after_an_error(path):
    with pytest.raises(RuntimeError), locks.exclusive(path, on_wait=lambda: None):
        raise RuntimeError
    with locks.exclusive(path, on_wait=lambda: pytest.fail("had to wait")):
        pass


def test_the_marker_of_a_dead_builder_is_taken_over(tmp_path):
    marker = tmp_path / "key.held"
    marker.touch()
    long_ago = time.time() - 2 * locks.STALE_SECONDS
    os.utime(marker, (long_ago, long_ago))
    with locks._marker(marker, on_wait=lambda: None):
        assert marker.stat().st_mtime > long_ago
    assert not marker.exists()


def test_another_error_of_the_file_system_is_not_hidden(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(locks.fcntl, "flock", fail)
    with pytest.raises(OSError, match="I/O error"), locks.exclusive(tmp_path / "a", on_wait=lambda: None):
        pass
