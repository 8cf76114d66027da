"""A port of the machine's loopback that leads into a cluster's namespace.

Run as a script inside the namespace with a socket that was opened outside of it, which is the whole trick. Every
connection becomes one connection and ends as its other half ends, so nothing that a client sees is smoothed over.
"""

import asyncio
import contextlib
import socket
import sys

_CHUNK_BYTES = 65536


async def forward(listening: socket.socket, *, host: str, port: int) -> None:
    """Serve for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        for each in (writer, there_writer):
            each.close()

    server = await asyncio.start_server(serve, sock=listening)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
    except OSError:
        writer.transport.abort()


if __name__ == "__main__":
    _, descriptor, to_host, to_port = sys.argv
    asyncio.run(forward(socket.socket(fileno=int(descriptor)), host=to_host, port=int(to_port)))
