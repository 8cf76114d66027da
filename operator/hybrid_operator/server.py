"""The operator's own HTTP: `/healthz`, `/readyz` and `/metrics`. Answers from what is known; asks nobody."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from hybrid_operator import metrics
from hybrid_operator.health import Health

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serving(health: Health, *, health_port: int, metrics_port: int) -> AsyncIterator[None]:
    """Answer on both ports as long as the context is entered."""
    probes, exports = web.Application(), web.Application()
    probes.add_routes([web.get("/healthz", _healthz(health)), web.get("/readyz", _readyz(health))])
    exports.add_routes([web.get("/metrics", _metrics)])
    runners = []
    try:
        for application, port in ((probes, health_port), (exports, metrics_port)):
            runner = web.AppRunner(application, access_log=None)
            runners.append(runner)
            await runner.setup()
            await web.TCPSite(runner, port=port).start()
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def _healthz(health: Health) -> _Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return _said(health.why_dead())

    return answer


def _readyz(health: Health) -> _Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return _said(health.why_unready())

    return answer


async def _metrics(_: web.Request) -> web.StreamResponse:
    return web.Response(body=metrics.exposition(), headers={"Content-Type": _TEXT})


def _said(complaint: str | None) -> web.Response:
    return web.Response(status=503, text=complaint) if complaint else web.Response(text="ok")
