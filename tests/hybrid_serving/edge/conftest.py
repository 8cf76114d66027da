"""A pair of tiny fake networks, a cloud that hands over to a device, and the service's side of the conversation."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.hybrid_serving.host_carry import HostCarry

from hybrid_engines import models
from hybrid_engines.engine import Array, Domain, Facts
from hybrid_engines.signature import Port, Role, Signature
from hybrid_serving import handoff as handoffs
from hybrid_serving import sampler, trajectory
from hybrid_serving.edge.client import Service
from hybrid_serving.edge.device import Device
from hybrid_serving.edge.finish import Network
from hybrid_serving.handoff import Handoff
from hybrid_serving.keys import KeyRing
from hybrid_serving.protocol import Settings

LATENT, SIZE = (8, 8, 8), (64, 64)
TOKENS, WIDTH = 4, 6
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(
    prompt="a red circle",
    negative_prompt="",
    seed=7,
    image=0,
    sampler="dpmpp-2m",
    steps=6,
    guidance_scale=5.0,
    width=SIZE[0],
    height=SIZE[1],
)


class FakeEngine:
    """A numpy network; `before` runs at the start of every call."""

    is_batch_invariant = True

    def __init__(
        self,
        signature: Signature,
        compute: Callable[[Mapping[str, Array], Mapping[str, Array]], Array],
        *,
        network: str = "small",
        buckets: Sequence[int] = (1, 2, 4),
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.signature = signature
        self.buckets = tuple(buckets)
        self.facts = Facts(macs=1, macs_with_attention=1, parameters=1, milliseconds=dict.fromkeys(buckets, 1.0))
        self.domain = Domain(network, "dynamic", "f32", "numpy", "any", 1)
        self.calls = 0
        self.held: set[int] = set()
        self._carry = HostCarry()
        self._compute = compute
        self._before = before
        self._buffer: Array | None = None

    def hold(self, slot: int, arrays: Mapping[str, Array]) -> None:
        self.held.add(slot)
        self._carry.hold(slot, arrays)

    def drop(self, slot: int) -> None:
        self.held.discard(slot)
        self._carry.drop(slot)

    def __call__(self, arrays: Mapping[str, Array], *, bucket: int, slots: Sequence[int] = ()) -> Mapping[str, Array]:
        self._before()
        self.calls += 1
        assert len(next(iter(arrays.values()))) <= bucket
        if self._buffer is not None:
            self._buffer[:] = np.nan  # outputs are valid until the next call only
        (output,) = self.signature.by_role(Role.OUTPUT)
        self._buffer = self._compute(arrays, self._carry.gather(slots)).astype(np.float32)
        return {output.name: self._buffer}


def a_unet(**options: Any) -> FakeEngine:
    sample = Port("sample", Role.SAMPLE, "float32", LATENT)
    level = Port("level", Role.LEVEL, "float32", ())
    text = Port("text", Role.CONDITIONING, "float32", (TOKENS, WIDTH))
    output = Port("output", Role.OUTPUT, "float32", LATENT)

    def denoise(arrays: Mapping[str, Array], held: Mapping[str, Array]) -> Array:
        bias = held["text"].mean(axis=(1, 2)).reshape(-1, 1, 1, 1)
        return np.tanh(
            arrays["sample"] * np.float32(0.7) + bias + arrays["level"].reshape(-1, 1, 1, 1) * np.float32(1e-3)
        )

    return FakeEngine(Signature("unet", (sample, level, text), (output,)), denoise, **options)


def a_decoder(**options: Any) -> FakeEngine:
    sample = Port("sample", Role.SAMPLE, "float32", LATENT)
    output = Port("output", Role.OUTPUT, "float32", (3, SIZE[1], SIZE[0]))

    def decode(arrays: Mapping[str, Array], _: Mapping[str, Array]) -> Array:
        return np.tanh(np.repeat(np.repeat(arrays["sample"][:, :3], 8, axis=2), 8, axis=3))

    return FakeEngine(Signature("decoder", (sample,), (output,)), decode, **options)


def a_device(unet: FakeEngine | None = None, decoder: FakeEngine | None = None) -> Device:
    model = models.open_model("builtin://shapes/small")
    return Device(model, unet or a_unet(), decoder or a_decoder())


def conditioning(*, seed: int = 0) -> dict[str, np.ndarray]:
    return {"text": np.random.default_rng(seed).standard_normal((2, TOKENS, WIDTH)).astype(np.float32)}


def a_handoff(*, split: int = 2, settings: Settings = SETTINGS, **fields: Any) -> Handoff:
    """What the cloud hands over after `split` steps on the same fake network."""
    schedule = sampler.Schedule.from_config(models.open_model("builtin://shapes/small").schedule)
    table = sampler.compile_table(schedule, sampler=settings.sampler, steps=settings.steps)
    text = conditioning()
    state = trajectory.begin(settings, table=table, latent_shape=LATENT)
    with Network(a_unet(), text) as network:
        state = trajectory.run(state, table=table, stop=split, settings=settings, denoise=network)
    made = Handoff(
        request="0" * 32 + "-0",
        model="shapes",
        networks={"large": "large", "small": "small"},
        table=table.rest(split),
        state=state,
        settings=settings,
        conditioning=text,
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
    )
    return replace(made, **fields)


@pytest.fixture
def ring() -> KeyRing:
    """The service's keys."""
    return KeyRing.from_texts({"a": base64.b64encode(bytes(32)).decode()})


class Cloud:
    """The service's side: hands out `data`, remembers what was asked, finishes what comes back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[httpx.Request] = []
        self.report_status = 200
        self.service = Service("http://service", transport=httpx.MockTransport(self._answer))

    def paths(self) -> list[str]:
        return [request.url.path for request in self.asked]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path == "/v1/handoffs":
            return httpx.Response(200, content=self.data, headers={"content-type": handoffs.MEDIA_TYPE})
        if request.url.path == "/v1/handoffs/finish":
            picture = base64.b64encode(b"cloud's picture").decode()
            return httpx.Response(200, json={"data": [{"b64_json": picture}], "hybrid": {"cost": {}}})
        assert request.url.path.endswith("/report")
        return httpx.Response(self.report_status, json={"id": "x", "hybrid": {"cost": {"nanoseconds": {}}}})


@pytest.fixture
def a_cloud(ring: KeyRing) -> Iterator[Callable[..., Cloud]]:
    """Makes clouds that hand out a given handoff, or given bytes."""
    made: list[Cloud] = []

    def make(given: Handoff | bytes) -> Cloud:
        data = given if isinstance(given, bytes) else handoffs.pack(given, key=ring.signing)
        made.append(Cloud(data))
        return made[-1]

    yield make
    for cloud in made:
        cloud.service.close()


@pytest.fixture
def fakes() -> Any:
    """The makers of this module, for tests that need more than one."""
    return _Fakes


class _Fakes:
    unet = staticmethod(a_unet)
    decoder = staticmethod(a_decoder)
    device = staticmethod(a_device)
    handoff = staticmethod(a_handoff)
    conditioning = staticmethod(conditioning)
    settings = SETTINGS
    now = NOW
    latent = LATENT


@pytest.fixture
def engine_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty engine cache."""
    monkeypatch.setenv("HYBRID_ENGINE_CACHE", str(tmp_path / "engines"))
    return tmp_path / "engines"
