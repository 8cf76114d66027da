"""A whole ingress over fake denoisers, in this process, without Ray."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from hybrid_api.cost import Resources
from hybrid_api.metric_names import Metric
from hybrid_api.prices import PriceList
from hybrid_api.scalars import Share, Size
from hybrid_api.segments import Steps
from hybrid_serving import noise
from hybrid_serving.cloud.ingress import routes
from hybrid_serving.cloud.ingress.accounts import Accounts
from hybrid_serving.cloud.ingress.auth import ApiKeys
from hybrid_serving.cloud.ingress.counts import Counts
from hybrid_serving.cloud.ingress.facts import Facts, Segment
from hybrid_serving.cloud.ingress.mounted import MountedFolder
from hybrid_serving.cloud.ingress.service import Service
from hybrid_serving.cloud.ingress.signing import SigningKeys
from hybrid_serving.cloud.ingress.terms import Terms
from hybrid_serving.protocol import Image, Preview, Released, Settings, State, Usage, Work
from hybrid_serving.sampler import Schedule

LATENT = (4, 8, 8)
SCHEDULE = Schedule(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction="v_prediction")

Answer = Image | Released
Script = Callable[[Work], Answer | BaseException | None]
"""What to answer instead of working; an exception is raised, `None` works as usual."""


@dataclass
class FakeDenoiser:
    """A segment whose pictures follow from the settings alone; `script` may interfere, `gate` holds work back."""

    name: str
    script: list[Script] = field(default_factory=list)
    gate: asyncio.Event | None = None
    received: list[Work] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def run(self, work: Work) -> Answer:
        self.received.append(work)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(work.id)
            raise
        if self.script:
            scripted = self.script.pop(0)(work)
            if isinstance(scripted, BaseException):
                raise scripted
            if scripted is not None:
                return scripted
        return self.answer(work)

    async def stream(self, work: Work) -> AsyncIterator[Preview | Answer]:
        for index in range(work.previews):
            yield Preview(index=index, pixels=picture(work.settings))
            await asyncio.sleep(0.01)
        yield await self.run(work)

    def answer(self, work: Work) -> Answer:
        start = work.state.position if work.state else 0
        usage = Usage(nanoseconds={"step": 1000 * (work.stop - start)}, rows={"step": 2 * (work.stop - start)})
        if work.stop < work.settings.steps or not work.stop:
            return self.released(work, position=work.stop, reason="split")
        usage = Usage(
            nanoseconds={**usage.nanoseconds, "decode": 500, "encode": 100},
            rows={**usage.rows, "decode": 1, "encode": 2},
        )
        return Image(pixels=picture(work.settings), usage=usage, domain=f"domain-{self.name}")

    def released(self, work: Work, *, position: int, reason: str) -> Released:
        start = work.state.position if work.state else 0
        x = noise.normals(work.settings.seed, image=0, step=0, shape=LATENT)
        state = State(position=position, x=x, history=(x,) if position else ())
        rows = 2 * max(0, position - start)
        usage = Usage(
            nanoseconds={"encode": 100, "step": 1000 * rows},
            rows={"encode": 2, "step": rows},
        )
        conditioning = {"text": np.zeros((2, 3, 4), np.float32)}
        return Released(
            state=state, reason=reason, conditioning=conditioning, usage=usage, domain=f"domain-{self.name}"
        )


class CountingMeter:
    """Sums by name and labels, and what was observed."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}
        self.observed: list[tuple[str, ...]] = []

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        assert tuple(labels) == metric.labels
        key = (metric.name, *labels.values())
        self.counts[key] = self.counts.get(key, 0.0) + amount

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        assert tuple(labels) == metric.labels

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        assert tuple(labels) == metric.labels
        self.observed.append((metric.name, *labels.values()))


def picture(settings: Settings) -> np.ndarray:
    """Pixels that differ between settings."""
    values = noise.normals(settings.seed, image=settings.image, step=0, shape=(settings.height, settings.width, 3))
    return (np.clip(values, -1, 1) * 127 + 128).astype(np.uint8)


def make_terms(**changes: object) -> Terms:
    """The sample's terms."""
    sample = Terms(
        sampler="dpmpp-2m",
        steps=25,
        guidance_scale=5.0,
        size=Size(64, 64),
        deadline_seconds=60.0,
        max_steps=100,
        max_images=4,
        queue_seconds=30.0,
        body_bytes=2**20,
        handoff_seconds=300.0,
        shares=(Steps(value=Share(percent=40)),),
        prices=PriceList(currency="USD", cpu_core_hour=Decimal("0.0316"), egress_gib=Decimal("0.09")),
    )
    return replace(sample, **changes)


def make_facts(*names: str) -> Facts:
    """Segments of these names."""
    names = names or ("large", "small")
    return Facts(
        model="shapes",
        segments=tuple(
            Segment(name=name, runs_on="Edge" if name == names[-1] else "Cloud", network=f"network-{name}")
            for name in names
        ),
        schedule=SCHEDULE,
        sizes=(Size(64, 64), Size(128, 64)),
        latent_shape=lambda size: (4, size.height // 8, size.width // 8),
        count_tokens=lambda text: len(text.split()),
    )


@pytest.fixture
def terms() -> Callable[..., Terms]:
    """The sample's terms with changes: `terms(max_steps=10)`."""
    return make_terms


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Facts about segments of these names: `facts("large", "small")`."""
    return make_facts


@pytest.fixture
def denoisers() -> dict[str, FakeDenoiser]:
    return {name: FakeDenoiser(name) for name in ("large", "small")}


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait for a condition while other tasks run: `await until(lambda: …)`."""

    async def wait(condition: Callable[[], object]) -> None:
        while not condition():  # noqa: ASYNC110  # conditions of code under test, which sets no event for us
            await asyncio.sleep(0)

    return wait


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
def service(denoisers: Mapping[str, FakeDenoiser], mounts: Path, meter: CountingMeter) -> Iterator[Service]:
    service = a_service(denoisers, mounts=mounts, meter=meter)
    yield service
    service.encoders.shutdown()


def a_service(denoisers: Mapping[str, FakeDenoiser], *, mounts: Path, meter: CountingMeter) -> Service:
    """One replica."""
    service = Service(
        facts=make_facts(*denoisers),
        runners=denoisers,
        keys=ApiKeys(MountedFolder(mounts / "api-keys")),
        signing=SigningKeys(MountedFolder(mounts / "signing")),
        accounts=Accounts(
            segments=list(denoisers),
            resources={name: Resources(cpu_cores=Decimal(2)) for name in denoisers},
            counts=Counts(meter=meter),
        ),
    )
    service.terms = make_terms()
    return service


@pytest.fixture
def ask(service: Service) -> Callable[..., httpx.Response]:
    """One request to the application: `ask("GET", "/healthz")`, `ask("POST", path, json=…)`."""
    return asking(service)


@pytest.fixture
def another(denoisers: Mapping[str, FakeDenoiser], mounts: Path, meter: CountingMeter) -> Iterator[Callable[[], Any]]:
    """Makes further replicas of the same service, each asked like `ask`."""
    made: list[Service] = []

    def make() -> Callable[..., httpx.Response]:
        made.append(a_service(denoisers, mounts=mounts, meter=meter))
        return asking(made[-1])

    yield make
    for service in made:
        service.encoders.shutdown()


def asking(service: Service) -> Callable[..., httpx.Response]:
    """What asks this replica."""
    app = routes.create(service)

    def send(method: str, path: str, **request: object) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **request)

        return asyncio.run(asked())

    return send
