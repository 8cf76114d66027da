"""Bodies far above the limit: refused, and nothing of them stays in memory."""

import concurrent.futures
from collections.abc import Iterator

import httpx
import psutil
import pytest

pytestmark = pytest.mark.component

IMAGES = "/v1/images/generations"
BODIES = 200
BODY_BYTES = 20 * 2**20
GROWTH_BYTES = 30 * 2**20


def chunks() -> Iterator[bytes]:
    for _ in range(BODY_BYTES // 2**16):
        yield b"x" * 2**16


def post(running, content) -> int | None:
    """The status; `None` where the service hung up before the whole body was sent, as it may."""
    with httpx.Client(base_url=running.url, headers=running.headers, timeout=60) as client:
        try:
            headers = {"content-type": "application/json"}
            return client.post(IMAGES, content=content, headers=headers).status_code
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            return None


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_oversized_bodies_leave_no_trace(running, declared) -> None:
    def ask(_: int) -> int | None:
        return post(running, bytes(BODY_BYTES) if declared else chunks())

    ask(0)
    (replica,) = running.replicas("Ingress")
    process = psutil.Process(replica["pid"])
    before = process.memory_info().rss
    peak = before
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = []
        for status in pool.map(ask, range(BODIES if declared else BODIES // 5)):
            statuses.append(status)
            peak = max(peak, process.memory_info().rss)
    assert set(statuses) <= {413, None}
    assert peak - before <= GROWTH_BYTES
    assert post(running, b'{"prompt": "a"}') == 200
