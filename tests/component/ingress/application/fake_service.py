"""The real ingress over denoisers that only sleep and draw noise; imported by Ray's processes.

Some prompts are commands: `queue full` is refused and `slow` takes a minute; that slow work started, and that any was
cancelled, is written down.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from ray import serve

from hybrid_serving import noise
from hybrid_serving.cloud.ingress.deployment import compose
from hybrid_serving.cloud.loop import QueueFull
from hybrid_serving.protocol import Image, Preview, Released, State, Usage, Work

STEP_SECONDS = 0.01


@serve.deployment
class FakeDenoiser:
    def __init__(self, args: dict[str, Any], segment: str) -> None:
        self._segment = segment
        self._diary = Path(os.environ["HYBRID_MOUNT_PATH"]) / "diary"

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        pass

    async def run(self, work: Work) -> Image | Released:
        start = work.state.position if work.state else 0
        try:
            if work.settings.prompt == "queue full":
                raise QueueFull(7.5)
            if work.settings.prompt == "slow":
                self._write("started")
                await asyncio.sleep(60)
            await asyncio.sleep(STEP_SECONDS * (work.stop - start))
        except asyncio.CancelledError:
            self._write("cancelled")
            raise
        usage = Usage(nanoseconds={"step": 10**7 * (work.stop - start)}, rows={"step": work.stop - start})
        settings = work.settings
        if work.stop < settings.steps:
            x = noise.normals(settings.seed, image=settings.image, step=0, shape=(8, 8, 8))
            text = {"text": np.zeros((2, 77, 8), np.float32)}
            return Released(State(work.stop, x, (x,)), "split", text, usage, domain=self._segment)
        values = noise.normals(settings.seed, image=settings.image, step=0, shape=(settings.height, settings.width, 3))
        pixels = (np.clip(values, -1, 1) * 127 + 128).astype(np.uint8)
        return Image(pixels, usage, domain=self._segment)

    def _write(self, line: str) -> None:
        with self._diary.open("a") as file:
            file.write(f"{line}\n")

    async def stream(self, work: Work) -> AsyncIterator[Preview | Image | Released]:
        for index in range(work.previews if work.state is None else 0):
            await asyncio.sleep(STEP_SECONDS)
            yield Preview(index, np.zeros((64, 64, 3), np.uint8))
        yield await self.run(work)

    async def describe(self) -> dict[str, Any]:
        return {
            "domain": self._segment,
            "is_batch_invariant": True,
            "buckets": [1],
            "milliseconds": {1: 1000 * STEP_SECONDS},
            "milliseconds_by_kind": {"step": {1: 1000 * STEP_SECONDS}, "encode": {1: 1.0}, "decode": {1: 1.0}},
        }


def build(args: dict[str, Any]) -> serve.Application:
    return compose(args, denoiser=FakeDenoiser)
