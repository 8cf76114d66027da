"""A forwarded connection is the connection behind it: what is sent, how it ends, and that it may be refused."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from e2e.cluster import forward


@asynccontextmanager
async def forwarded(to_port: int) -> AsyncIterator[int]:
    """The port in front of `to_port`."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    task = asyncio.create_task(forward.forward(listening, host="127.0.0.1", port=to_port))
    try:
        yield port
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listening.close()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that answers once everything was sent, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read() + answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_nobody_behind_it_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = unused.getsockname()[1]

    async def scenario() -> bytes:
        async with forwarded(nobody) as port:
            with contextlib.suppress(ConnectionError):
                return await ask(port, b"hello")
            return b""

    assert asyncio.run(scenario()) == b""


def test_half_a_connection_can_end_before_the_other() -> None:
    async def scenario() -> bytes:
        async with answering(b" back") as behind, forwarded(behind) as port:
            return await ask(port, b"there and")

    assert asyncio.run(scenario()) == b"there and back"


def test_much_arrives_whole() -> None:
    text = bytes(range(256)) * 8192

    async def scenario() -> bytes:
        async with answering(b"") as behind, forwarded(behind) as port:
            return await ask(port, text)

    assert asyncio.run(scenario()) == text
