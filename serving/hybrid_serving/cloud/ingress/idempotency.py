"""Repeats of one request: a repeat joins the running original or gets its result.

Keeps answers in this process, bounded in number, bytes and age; knows nothing of what it keeps.
"""

import asyncio
import contextvars
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from hybrid_serving.cloud.ingress.errors import ApiError

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

ORPHAN_SECONDS = 10.0
"""How long a request with a key goes on after its last reader left, so that a retry finds it running."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer; a reader that is behind skips what a later chunk of the same `topic` replaces."""

    data: bytes
    topic: str | None = None


class Recording:
    """An answer while it is written, for any number of readers, each from its beginning."""

    def __init__(self) -> None:
        self.media_type = "application/json"
        self.headers: dict[str, str] = {}
        self.chunks: list[Chunk] = []
        self.error: BaseException | None = None
        self.is_closed = False
        self._changed = asyncio.Event()

    def append(self, data: bytes, *, topic: str | None = None) -> None:
        """Add a piece and wake the readers."""
        self.chunks.append(Chunk(data, topic))
        self._wake()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come; `error` is what readers get after the last piece."""
        self.error = error
        self.is_closed = True
        self._wake()

    @property
    def size_bytes(self) -> int:
        """What keeping it costs."""
        return sum(len(chunk.data) for chunk in self.chunks)

    async def started(self) -> None:
        """Wait for the first piece; raises the error of an answer that failed before it."""
        while not self.chunks and not self.is_closed:
            await self._changed.wait()
        if self.error is not None and not self.chunks:
            raise self.error

    async def follow(self, *, idle_seconds: float | None = None) -> AsyncIterator[bytes | None]:
        """The pieces from the first on; `None` whenever nothing came for `idle_seconds`; then the error, if any."""
        position = 0
        while True:
            while position < len(self.chunks):
                chunk = self.chunks[position]
                position += 1
                if chunk.topic is None or all(later.topic != chunk.topic for later in self.chunks[position:]):
                    yield chunk.data
            if self.is_closed:
                break
            try:
                await asyncio.wait_for(self._changed.wait(), idle_seconds)
            except TimeoutError:
                yield None
        if self.error is not None:
            raise self.error

    def _wake(self) -> None:
        # Each change gets an event of its own, so that a reader which is not waiting just now misses nothing.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@dataclass(slots=True, eq=False)
class _Entry:
    fingerprint: bytes
    recording: Recording
    task: "asyncio.Task[None]"
    started_at: float
    readers: int = 0
    orphan: asyncio.TimerHandle | None = None


class Answers:
    """Runs requests, keeps successful answers under their key, and ends work that nobody waits for."""

    def __init__(
        self,
        *,
        entries: int = 1000,
        size_bytes: int = 64 * 2**20,
        age_seconds: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_entries = entries
        self._limit_bytes = size_bytes
        self._limit_age_seconds = age_seconds
        self._clock = clock
        self._entries: dict[tuple[str, ...], _Entry] = {}

    def join(
        self, scope: tuple[str, ...] | None, *, body: bytes, work: Callable[[Recording], Awaitable[None]]
    ) -> "Reader":
        """A reader of the answer to `body`: of the running or finished one with this scope, else of a new one."""
        if known := self.known(scope, body=body):
            return known
        recording = Recording()
        # In a context of its own: Serve cancels what was called in a request's context when that client leaves.
        task = asyncio.get_running_loop().create_task(_record(recording, work), context=contextvars.Context())
        entry = _Entry(_fingerprint(body), recording, task, started_at=self._clock())
        if scope is not None:
            self._entries[scope] = entry
            task.add_done_callback(lambda _: self._settle(scope, entry))
        return Reader(self, entry, is_kept=scope is not None)

    def known(self, scope: tuple[str, ...] | None, *, body: bytes) -> "Reader | None":
        """A reader of the running or finished answer with this scope, if there is one."""
        entry = self._find(scope)
        if entry is None:
            return None
        if entry.fingerprint != _fingerprint(body):
            message = "The `Idempotency-Key` was used before with another body; use a new key for a new request."
            raise ApiError(message, code="idempotency_key_reused", param="Idempotency-Key")
        return Reader(self, entry, is_kept=True)

    def _find(self, scope: tuple[str, ...] | None) -> _Entry | None:
        self._prune()
        entry = self._entries.get(scope) if scope is not None else None
        return None if entry is None or entry.task.cancelling() else entry

    def _settle(self, scope: tuple[str, ...], entry: _Entry) -> None:
        """A failure is not kept: the client's retry shall run anew."""
        if entry.recording.error is not None and self._entries.get(scope) is entry:
            del self._entries[scope]
        self._prune()

    def _prune(self) -> None:
        """Forget finished answers, oldest first, until all three bounds hold."""
        now = self._clock()
        kept_bytes = sum(entry.recording.size_bytes for entry in self._entries.values())
        for scope, entry in list(self._entries.items()):
            is_old = now - entry.started_at > self._limit_age_seconds
            if not (is_old or len(self._entries) > self._limit_entries or kept_bytes > self._limit_bytes):
                break  # the dictionary is in order of age
            if entry.recording.is_closed:
                kept_bytes -= entry.recording.size_bytes
                del self._entries[scope]


class Reader:
    """One client's hold on an answer; work without a reader is cancelled."""

    def __init__(self, answers: Answers, entry: _Entry, *, is_kept: bool) -> None:
        self._answers = answers
        self._entry = entry
        self._is_kept = is_kept

    @property
    def recording(self) -> Recording:
        """The answer being written."""
        return self._entry.recording

    def __enter__(self) -> "Reader":
        self._entry.readers += 1
        if self._entry.orphan is not None:
            self._entry.orphan.cancel()
            self._entry.orphan = None
        return self

    def __exit__(self, *_: object) -> None:
        self._entry.readers -= 1
        if self._entry.readers or self._entry.task.done():
            return
        if self._is_kept:
            loop = asyncio.get_running_loop()
            self._entry.orphan = loop.call_later(ORPHAN_SECONDS, self._entry.task.cancel)
        else:
            self._entry.task.cancel()


def scope(tenant: str, path: str, key: str | None) -> tuple[str, ...] | None:
    """Where a key is unique; refuses keys that no client means."""
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        message = "The `Idempotency-Key` must be 1 to 255 visible ASCII characters, for example a UUID."
        raise ApiError(message, code="invalid_value", param="Idempotency-Key")
    return (tenant, path, key)


def _fingerprint(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


async def _record(recording: Recording, work: Callable[[Recording], Awaitable[None]]) -> None:
    """Run `work`; whatever ends it, the recording is closed and readers learn why."""
    try:
        await work(recording)
    except asyncio.CancelledError:
        recording.close(ApiError("The request was cancelled.", code="request_cancelled"))
        raise
    except Exception as error:  # noqa: BLE001  # travels to the readers, which raise it at the border
        recording.close(error)
    else:
        recording.close()
