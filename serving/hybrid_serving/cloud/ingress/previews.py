"""Previews on their way to a client, encoded one at a time; where encoding is slower than denoising the newest wins.

It decides which preview is sent, not what it looks like.
"""

import asyncio
from collections.abc import Awaitable, Callable

from hybrid_serving.protocol import Preview


class Feed:
    """One image's previews. `send` encodes and delivers one; it is never called twice at once, nor out of order."""

    def __init__(self, send: Callable[[Preview], Awaitable[None]]) -> None:
        self._send = send
        self._newest: Preview | None = None
        self._last_index = -1
        self._task: asyncio.Task[None] | None = None

    def offer(self, preview: Preview) -> None:
        """Take `preview`, unless one as new was offered before (a repeated stretch sends its previews again)."""
        if preview.index <= self._last_index:
            return
        self._last_index = preview.index
        self._newest = preview
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def settle(self) -> None:
        """Wait until what was offered is delivered."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        while self._newest is not None:
            preview, self._newest = self._newest, None
            await self._send(preview)
