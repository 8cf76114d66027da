"""The questions that prove a service: does it answer, does it draw, what is it still working on.

Each asks once and answers in values; when to ask, and what follows, is decided elsewhere. Keys are never logged.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import ClusterError
from hybrid_operator.observed import Answer, Paces, Verdict

SERVE_PORT = 8000
HAPROXY_METRICS_PORT = 9101
_SHALLOW_SECONDS = 5.0
_COUNT_SECONDS = 2.0
_PROMPT = "a red circle"
_STEPS = 4
_TOO_MANY_REQUESTS = 429
_PNG = b"\x89PNG\r\n\x1a\n"
_SESSIONS = re.compile(r"^haproxy_backend_current_sessions\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Address:
    """A pod or Service, and how to reach it: directly, or through the API server's proxy."""

    namespace: str
    resource: str
    """`pods/NAME` or `services/NAME`."""
    host: str


def of_service(name: str, *, namespace: str) -> Address:
    """Where clients go."""
    return Address(namespace, f"services/{name}", f"{name}.{namespace}.svc")


def of_pod(pod: Mapping[str, Any]) -> Address:
    """One pod of its own."""
    metadata, host = pod["metadata"], str(pod["status"]["podIP"])
    return Address(metadata["namespace"], f"pods/{metadata['name']}", f"[{host}]" if ":" in host else host)


class Caller(Protocol):
    """Carries a question; raises `ClusterError`, `aiohttp.ClientError` or `TimeoutError` where no answer comes."""

    async def ask(
        self, address: Address, *, port: int, method: str, path: str, body: Any, key: str | None, timeout_seconds: float
    ) -> tuple[int, bytes]:
        """Status and content of the answer."""


def open_session() -> aiohttp.ClientSession:
    """A session for all questions at once: one that waits for a picture must keep no other waiting."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


class DirectCaller:
    """Straight to pods and Services, from inside the cluster."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, address: Address, *, port: int, method: str, path: str, body: Any, key: str | None, timeout_seconds: float
    ) -> tuple[int, bytes]:
        """Status and content of the answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        url = f"http://{address.host}:{port}{path}"
        async with self._session.request(method, url, json=body, headers=headers, timeout=timeout) as response:
            return response.status, await response.read()


class ProxyCaller:
    """Through the API server, from outside the cluster.

    The API server takes the header `Authorization` for itself, so a key travels in `X-Hybrid-Authorization`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def ask(
        self, address: Address, *, port: int, method: str, path: str, body: Any, key: str | None, timeout_seconds: float
    ) -> tuple[int, bytes]:
        """Status and content of the answer."""
        answer = await self._cluster.ask_through(
            f"{address.resource}:{port}",
            namespace=address.namespace,
            method=method,
            path=path,
            body=body,
            headers={"X-Hybrid-Authorization": f"Bearer {key}"} if key else {},
            timeout_seconds=timeout_seconds,
        )
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        return answer.status, content


async def is_answering(caller: Caller, address: Address) -> Answer:
    """Whether the ingress answers; wakes no worker."""
    status, content = await _asked(
        caller, address, method="GET", path="/healthz", body=None, key=None, timeout_seconds=_SHALLOW_SECONDS
    )
    if status == 200:
        return Answer(verdict=Verdict.PASSED)
    return Answer(verdict=Verdict.FAILED, message=_refusal(status, content))


async def is_drawing(
    caller: Caller, address: Address, *, model: str, most_steps: int, key: str | None, timeout_seconds: float
) -> Answer:
    """Whether a real picture comes out, small and always the same one."""
    order = {"model": model, "prompt": _PROMPT, "steps": min(_STEPS, most_steps), "seed": 0}
    status, content = await _asked(
        caller,
        address,
        method="POST",
        path="/v1/images/generations",
        body=order,
        key=key,
        timeout_seconds=timeout_seconds,
    )
    if status != 200:
        verdict = Verdict.BUSY if status == _TOO_MANY_REQUESTS else Verdict.FAILED
        return Answer(verdict=verdict, message=_refusal(status, content))
    if not is_picture(content):
        return Answer(verdict=Verdict.FAILED, message="The answer holds no PNG picture.")
    return Answer(verdict=Verdict.PASSED, paces=paces_in(content))


def paces_in(content: bytes) -> Paces | None:
    """How long the picture of an answer took, by what it says of its cost; `None` where it says too little."""
    try:
        told = json.loads(content)["hybrid"]["cost"]
        inputs, rows = told["all_cloud_inputs"], told["rows"]
        encode, decode = int(inputs["encode_nanoseconds"]), int(inputs["decode_nanoseconds"])
        steps = {}
        for name, nanoseconds in told["nanoseconds"].items():
            others = (encode if rows[name].get("encode") else 0) + (decode if rows[name].get("decode") else 0)
            if rows[name].get("step"):
                steps[str(name)] = max(0, int(nanoseconds) - others) // int(rows[name]["step"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Paces(encode=encode, decode=decode, steps=steps) if steps else None


async def in_flight(caller: Caller, address: Address) -> int | None:
    """Requests that came in through this pod and are not answered; `None` where its proxy does not tell."""
    try:
        status, content = await caller.ask(
            address,
            port=HAPROXY_METRICS_PORT,
            method="GET",
            path="/metrics",
            body=None,
            key=None,
            timeout_seconds=_COUNT_SECONDS,
        )
    except (ClusterError, aiohttp.ClientError, OSError, TimeoutError):
        return None
    found = _SESSIONS.findall(content.decode(errors="replace")) if status == 200 else []
    return int(sum(map(float, found))) if found else None


def is_picture(content: bytes) -> bool:
    """Whether an answer in the shape of the Images API holds a PNG whose pixels are all there."""
    try:
        image = base64.b64decode(json.loads(content)["data"][0]["b64_json"], validate=True)
        return image.startswith(_PNG) and _has_pixels(image[len(_PNG) :])
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error, zlib.error):
        return False


def _has_pixels(chunks: bytes) -> bool:
    """Walks the chunks: the header says how many bytes of pixels must come out (PNG specification, 5 and 9)."""
    height, packed, names = 0, b"", []
    while chunks:
        length, name = int.from_bytes(chunks[:4], "big"), chunks[4:8]
        data = chunks[8 : 8 + length]
        names.append(name)
        height = int.from_bytes(data[4:8], "big") if name == b"IHDR" else height
        packed += data if name == b"IDAT" else b""
        chunks = chunks[12 + length :]
    pixels = zlib.decompress(packed)
    return names[-1:] == [b"IEND"] and height > 0 and len(pixels) > height and len(pixels) % height == 0


async def _asked(
    caller: Caller, address: Address, *, method: str, path: str, body: Any, key: str | None, timeout_seconds: float
) -> tuple[int, bytes]:
    try:
        return await caller.ask(
            address, port=SERVE_PORT, method=method, path=path, body=body, key=key, timeout_seconds=timeout_seconds
        )
    except (ClusterError, aiohttp.ClientError, OSError, TimeoutError) as error:
        detail = str(error) or f"no answer in {timeout_seconds:.0f} s"
        return 0, detail.encode()


def _refusal(status: int, content: bytes) -> str:
    text = " ".join(content.decode(errors="replace").split())[:200]
    return f"status {status}: {text}" if status else text
