"""A replica over a fake engine: a deterministic numpy network with a table of milliseconds and no waiting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.hybrid_serving.host_carry import HostCarry

from hybrid_engines.engine import Array, Domain, Facts
from hybrid_engines.signature import Port, Role, Signature
from hybrid_serving.cloud.networks import Networks
from hybrid_serving.cloud.preparation import Preparation
from hybrid_serving.cloud.prompts import Embeddings
from hybrid_serving.cloud.stages import PreviewMap, Stages
from hybrid_serving.cloud.worker import Worker
from hybrid_serving.protocol import Settings, Work
from hybrid_serving.sampler import Schedule

LATENT = (4, 4, 4)
TOKENS, WIDTH = 8, 6
SIZE = (32, 32)
SCHEDULE = Schedule(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction="v_prediction")
MILLISECONDS = {1: 1.0, 2: 1.5, 4: 2.5, 8: 4.5, 16: 8.5}
FAR = 4e9
"""A deadline that nobody misses."""


class FakeEngine:
    """Implements `hybrid_engines.engine.Engine`; `before` runs at the start of every call."""

    is_batch_invariant = True

    def __init__(
        self,
        signature: Signature,
        compute: Callable[[Mapping[str, Array], Mapping[str, Array]], Array],
        *,
        milliseconds: Mapping[int, float],
        before: Callable[[str, int], None],
    ) -> None:
        self.signature = signature
        self.facts = Facts(macs=1, macs_with_attention=1, parameters=1, milliseconds=dict(milliseconds))
        self.buckets = tuple(milliseconds)
        self.domain = Domain("fake", "dynamic", "f32", "numpy", "any", 1)
        self.calls: list[tuple[int, int]] = []
        """Rows and bucket of every call."""
        self._carry = HostCarry()
        self._compute = compute
        self._before = before
        self.held: set[int] = set()

    def hold(self, slot: int, arrays: Mapping[str, Array]) -> None:
        self.held.add(slot)
        self._carry.hold(slot, arrays)

    def drop(self, slot: int) -> None:
        self.held.discard(slot)
        self._carry.drop(slot)

    def __call__(self, arrays: Mapping[str, Array], *, bucket: int, slots: Sequence[int] = ()) -> Mapping[str, Array]:
        rows = len(next(iter(arrays.values())))
        assert rows <= bucket
        assert bucket in self.buckets
        self._before(self.signature.network, rows)
        self.calls.append((rows, bucket))
        (output,) = self.signature.by_role(Role.OUTPUT)
        return {output.name: self._compute(arrays, self._carry.gather(slots)).astype(np.float32)}


def _encode(arrays: Mapping[str, Array], _: Mapping[str, Array]) -> Array:
    scale = np.linspace(0.1, 1.0, WIDTH)
    return np.sin(arrays["tokens"][:, :, np.newaxis] * scale)


def _denoise(arrays: Mapping[str, Array], held: Mapping[str, Array]) -> Array:
    text = held["text"].reshape(len(held["text"]), -1)[:, : 4 * 4].reshape(-1, 1, 4, 4)
    level = arrays["level"].reshape(-1, 1, 1, 1)
    output = np.tanh(arrays["sample"] * np.float32(0.7) + text + level * np.float32(1e-3))
    return output + held["guidance"][:, :1, np.newaxis, np.newaxis] if "guidance" in held else output


def _decode(arrays: Mapping[str, Array], _: Mapping[str, Array]) -> Array:
    return np.tanh(np.repeat(np.repeat(arrays["sample"][:, :3], 8, axis=2), 8, axis=3))


def tokenize(texts: Sequence[str]) -> Any:
    """Characters as tokens."""
    return np.array([[ord(text[i]) if i < len(text) else 0 for i in range(TOKENS)] for text in texts], dtype=np.int64)


class Replica:
    """A worker whose engines, stages and preparation can be looked at."""

    def __init__(
        self,
        *,
        capacity: int = 64,
        milliseconds: Mapping[int, float] = MILLISECONDS,
        before: Callable[[str, int], None] = lambda network, rows: None,
        preview: bool = True,
        guidance_width: int | None = None,
        domain_bucket: int | None = None,
    ) -> None:
        text = Port("text", Role.CONDITIONING, "float32", (TOKENS, WIDTH))
        sample = Port("sample", Role.SAMPLE, "float32", LATENT)
        level = Port("level", Role.LEVEL, "float32", ())
        out = Port("output", Role.OUTPUT, "float32", LATENT)
        pixels = Port("output", Role.OUTPUT, "float32", (3, 32, 32))
        tokens = Port("tokens", Role.TOKENS, "int64", (TOKENS,))
        encoded = Port("text", Role.OUTPUT, "float32", (TOKENS, WIDTH))
        options: dict[str, Any] = {"milliseconds": milliseconds, "before": before}
        self.text_encoder = FakeEngine(Signature("text-encoder", (tokens,), (encoded,)), _encode, **options)
        guidance = (Port("guidance", Role.CONDITIONING, "float32", (guidance_width,)),) if guidance_width else ()
        self.unet = FakeEngine(Signature("unet", (sample, level, text, *guidance), (out,)), _denoise, **options)
        self.unet.domain = replace(self.unet.domain, bucket=domain_bucket)
        self.decoder = FakeEngine(Signature("decoder", (sample,), (pixels,)), _decode, **options)
        networks = Networks(text_encoder=self.text_encoder, unets={SIZE: self.unet}, decoders={SIZE: self.decoder})
        embeddings = Embeddings()
        matrix = np.ones((3, LATENT[0]), dtype=np.float32) * np.float32(0.1)
        mapping = PreviewMap(matrix=matrix, bias=np.zeros(3, dtype=np.float32)) if preview else None
        self.stages = Stages(networks, capacity=capacity, embeddings=embeddings, preview=mapping)
        self.schedule = SCHEDULE
        self.prepare = Preparation(networks, schedule=SCHEDULE, tokenize=tokenize, embeddings=embeddings)
        self.worker = Worker(self.stages, prepare=self.prepare)


@pytest.fixture
def a_replica() -> Iterator[Callable[..., Replica]]:
    """Makes replicas and ends their loops."""
    made: list[Replica] = []

    def make(**options: Any) -> Replica:
        made.append(Replica(**options))
        return made[-1]

    yield make
    for replica in made:
        replica.worker.close()


@pytest.fixture
def some_work() -> Callable[..., Work]:
    """Makes work; settings and work fields by keyword."""

    def make(**fields: Any) -> Work:
        settings = {
            "prompt": "a red circle",
            "negative_prompt": "",
            "seed": 7,
            "image": 0,
            "sampler": "dpmpp-2m",
            "steps": 5,
            "guidance_scale": 5.0,
            "width": SIZE[0],
            "height": SIZE[1],
        }
        settings |= {name: fields.pop(name) for name in list(fields) if name in settings}
        steps = settings["steps"]
        return Work(**{"id": "w", "stop": steps, "deadline": FAR, **fields}, settings=Settings(**settings))

    return make
