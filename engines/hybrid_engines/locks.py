"""One builder at a time, across threads, processes and pods on one volume. It must not know what is being built.

The lock saves work, it does not keep entries correct: publishing by rename does. So the fallback for file systems
without locks may, at worst, let two builders work.
"""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
"""A marker not touched for this long belonged to a builder that died."""


@contextmanager
def exclusive(path: Path, *, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock named by `path`, which dies with its holder; `on_wait` is called once if somebody else has it.

    Yields whether the kernel grants it: then nobody else on this machine has it, not even who seems to be dead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        if _acquire(descriptor, on_wait=on_wait):
            yield True
        else:
            with _marker(path.with_suffix(".held"), on_wait=on_wait):
                yield False
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, *, on_wait: Callable[[], None]) -> bool:
    """Take the kernel's lock, which also excludes threads (`flock` binds to the open file); false if there is none."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True


@contextmanager
def _marker(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """A file that exists while the builder lives, for file systems without locks."""
    waited = False
    while not _create(path):
        if not waited:
            on_wait()
            waited = True
        time.sleep(HEARTBEAT_SECONDS / 10)
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, done), daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
        path.unlink(missing_ok=True)


def _create(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        _remove_stale(path)
        return False
    return True


def _remove_stale(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink()
    except FileNotFoundError:
        pass  # its holder was done between the two calls


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        path.touch()
