"""From a recording to an HTTP answer: whole or streamed, with the status of whatever went wrong before its first byte.

The only place that watches for clients that leave.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hybrid_serving.cloud.ingress import events
from hybrid_serving.cloud.ingress.failures import answer_to
from hybrid_serving.cloud.ingress.idempotency import Reader, Recording


class RecordedResponse(Response):
    """Sends what a recording holds; the reader is released when the client has it all, or leaves."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the client disconnects first."""
        with self._reader:
            answering = asyncio.ensure_future(_answer(self._reader.recording, scope, receive, send))
            leaving = asyncio.ensure_future(_disconnect(receive))
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                if not answering.done():
                    answering.cancel()
                await asyncio.wait({answering, leaving})
            if not answering.cancelled():
                answering.result()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(recording: Recording, scope: Scope, receive: Receive, send: Send) -> None:
    """The whole of `recording`, or its error in the shape of the API."""
    try:
        await asyncio.wait_for(recording.started(), events.KEEP_ALIVE_SECONDS)
    except TimeoutError:
        pass  # a stream starts with a comment, so that nothing between closes the connection; others just go on
    except Exception as error:  # noqa: BLE001  # the border: every failure becomes an answer
        await answer_to(error).response()(scope, receive, send)
        return
    if recording.media_type == events.MEDIA_TYPE:
        await _send(recording, send, chunks=_stream(recording))
    else:
        await _send_whole(recording, scope, receive, send)


async def _send_whole(recording: Recording, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        chunks = [chunk async for chunk in recording.follow() if chunk is not None]
    except Exception as error:  # noqa: BLE001  # the border: every failure becomes an answer
        response = answer_to(error).response()
    else:
        response = Response(b"".join(chunks), media_type=recording.media_type, headers=recording.headers)
    await response(scope, receive, send)


async def _send(recording: Recording, send: Send, *, chunks: AsyncIterator[bytes]) -> None:
    headers = {"content-type": recording.media_type, "cache-control": "no-store", **recording.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _stream(recording: Recording, *, idle_seconds: float = events.KEEP_ALIVE_SECONDS) -> AsyncIterator[bytes]:
    """Events, comments while there are none, and an error event where the work failed after the first."""
    try:
        async for chunk in recording.follow(idle_seconds=idle_seconds):
            yield events.KEEP_ALIVE if chunk is None else chunk
    except Exception as error:  # noqa: BLE001  # the border: the status is sent, so the failure becomes an event
        yield events.error(answer_to(error))
