"""An open loop: requests leave at their times whatever became of those before, on connections that are kept open.

Nothing is retried. Every answer counts: its status, its picture against the first of that seed, and how long it took.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

_PATH = "/v1/images/generations"
_TIMEOUT_SECONDS = 120.0
_SEEDS = 8


@dataclass(slots=True)
class Tally:
    """What became of the requests."""

    asked: int = 0
    answered: int = 0
    slowest_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    """What a client would complain about, one sentence each."""
    pictures: dict[int, str] = field(default_factory=dict)
    """Digest by seed."""


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Where to ask, how often, and what came of it."""

    url: str
    model: str
    key: str
    rate: float
    """Requests a second."""
    tally: Tally = field(default_factory=Tally)

    async def run(self, stop: threading.Event) -> None:
        """Ask until told to stop, then wait for what is still open."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=3600)
        headers = {"Authorization": f"Bearer {self.key}"}
        started, tasks = time.monotonic(), []
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=_TIMEOUT_SECONDS, limits=limits, trust_env=False
        ) as client:
            while not stop.is_set():
                tasks.append(asyncio.create_task(self._ask(client, self.tally.asked % _SEEDS)))
                self.tally.asked += 1
                await asyncio.sleep(max(0.0, started + self.tally.asked / self.rate - time.monotonic()))
            await asyncio.gather(*tasks)

    async def _ask(self, client: httpx.AsyncClient, seed: int) -> None:
        tally = self.tally
        body = {"model": self.model, "prompt": "a red circle above a blue square", "seed": seed, "steps": 10}
        started = time.monotonic()
        try:
            answer = await client.post(_PATH, json=body)
        except httpx.HTTPError as error:
            tally.failures.append(f"{type(error).__name__} after {time.monotonic() - started:.1f} s: {error}")
            return
        tally.slowest_seconds = max(tally.slowest_seconds, time.monotonic() - started)
        if answer.status_code != 200:
            tally.failures.append(f"status {answer.status_code}: {answer.text[:200]}")
            return
        digest = hashlib.sha256(answer.json()["data"][0]["b64_json"].encode()).hexdigest()
        if tally.pictures.setdefault(seed, digest) != digest:
            tally.failures.append(f"The picture of seed {seed} changed.")
            return
        tally.answered += 1


@contextmanager
def running(loop: OpenLoop) -> Iterator[Tally]:
    """Ask until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(loop.run(stop)), name="open loop")
    thread.start()
    try:
        yield loop.tally
    finally:
        stop.set()
        thread.join()
