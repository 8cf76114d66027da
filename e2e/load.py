"""Closed-loop clients that ask for pictures and compare every one with its solo run."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from openai import OpenAI

PROMPTS = (
    "a red circle above a blue square",
    "a green triangle on a white background",
    "a yellow star to the left of a purple cross",
    "an orange ring on a black background",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One picture to ask for."""

    prompt: str
    seed: int
    sampler: str = "dpmpp-2m"
    steps: int = 25
    split: str = "40%"


ASKS = tuple(
    Ask(prompt=prompt, seed=seed, sampler=sampler, steps=steps, split=split)
    for seed, (prompt, sampler, steps, split) in enumerate(
        (prompt, sampler, steps, split)
        for prompt in PROMPTS
        for sampler, steps, split in (("dpmpp-2m", 25, "40%"), ("euler-a", 50, "100%"), ("ddim", 10, "0%"))
    )
)


def digest(client: OpenAI, ask: Ask) -> str:
    """Ask for the picture; SHA-256 of its PNG."""
    answer = client.images.generate(
        prompt=ask.prompt,
        extra_body={"seed": ask.seed, "sampler": ask.sampler, "steps": ask.steps, "split": ask.split},
    )
    assert answer.data
    return hashlib.sha256(base64.b64decode(answer.data[0].b64_json or "")).hexdigest()


@dataclass
class Outcome:
    """What the clients saw."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    changed: list[Ask] = field(default_factory=list)


@contextmanager
def under_load(connect: Callable[[], OpenAI], *, expected: dict[Ask, str], clients: int = 6) -> Iterator[Outcome]:
    """Keep `clients` asking while the block runs; the outcome is complete after it."""
    outcome, done, lock = Outcome(), threading.Event(), threading.Lock()

    def ask_on(offset: int) -> None:
        client, turn = connect(), offset
        while not done.is_set():
            ask = ASKS[turn % len(ASKS)]
            turn += 1
            try:
                found = digest(client, ask)
            except Exception as error:  # noqa: BLE001  # every kind of failure a client can see is a finding
                with lock:
                    outcome.failures.append(f"{type(error).__name__}: {error}")
                continue
            with lock:
                outcome.answered += 1
                if found != expected[ask]:
                    outcome.changed.append(ask)

    threads = [threading.Thread(target=ask_on, args=(offset,), daemon=True) for offset in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield outcome
    finally:
        done.set()
        for thread in threads:
            thread.join(timeout=180)
