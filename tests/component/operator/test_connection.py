"""Sessions to a real API server: when one is closed, so is every connection that it opened."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import kopf
import pytest

from e2e.cluster.control_plane import ControlPlane
from hybrid_operator.connection import Connection

pytestmark = pytest.mark.component


class Relay:
    """Passes bytes between clients and the server until told to pass no more: a network that has gone silent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._silent = False
        self._passing: list[asyncio.Task[None]] = []

    def fall_silent(self) -> None:
        self._silent = True

    async def stop(self) -> None:
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._passing += [
            asyncio.create_task(self._pass(reader, back)),
            asyncio.create_task(self._pass(there, writer)),
        ]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self._silent:
                    writer.write(data)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def relayed(plane: ControlPlane) -> AsyncIterator[tuple[Connection, Relay]]:
    relay = Relay(int(plane.url.rpartition(":")[2]))
    server = await asyncio.start_server(relay.serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    info = kopf.ConnectionInfo(server=f"https://127.0.0.1:{port}", token=plane.token, ca_path=str(plane.certificate))
    async with server:
        yield Connection(info), relay
        await relay.stop()


@pytest.mark.parametrize("silent", [False, True], ids=["answering", "silent"])
def test_closing_a_session_closes_watches_that_were_given_up(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    opened: list[socket.socket] = []
    connect = asyncio.BaseEventLoop.create_connection

    async def noted(loop: asyncio.BaseEventLoop, *arguments: object, **more: object) -> object:
        if more.get("ssl"):
            opened.append(more["sock"])  # type: ignore[arg-type]
        return await connect(loop, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", noted)

    async def story() -> None:
        async with relayed(plane) as (connection, relay):
            async with connection.open_session() as session:
                watch = {"watch": "true", "resourceVersion": "0"}
                answers = []
                for _ in range(5):
                    answers.append(await session.get(f"{connection.server}/api/v1/namespaces", params=watch))
                    assert await answers[-1].content.readline()
                if silent:
                    relay.fall_silent()
                for answer in answers:
                    answer.close()
            assert len(opened) == 5
            assert [each for each in opened if each.fileno() != -1] == []

    asyncio.run(story())
