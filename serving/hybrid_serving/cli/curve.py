"""Quality and cost of a pair against the split: what `hybrid profile` measures.

Runs both networks in this process, without Ray. One walk of the large network gives the states of every split; the
small one goes on from each. Prints nothing and writes no file.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_api import cost
from hybrid_engines.engine import Engine
from hybrid_engines.models import Model
from hybrid_engines.signature import Role
from hybrid_serving import sampler, trajectory
from hybrid_serving.cloud import guidance
from hybrid_serving.cloud.networks import GUIDANCE
from hybrid_serving.cloud.prompts import PromptTokenizer
from hybrid_serving.edge import finish, profile
from hybrid_serving.edge.finish import Conditioning, Network
from hybrid_serving.pixels import Pixels
from hybrid_serving.protocol import Latent, Settings, State
from hybrid_serving.table import Table


@dataclass(frozen=True, slots=True)
class Pair:
    """Two networks of one trajectory, and what they share."""

    model: Model
    """The large one; it supplies tokenizer, schedule and stored quality."""
    large: Engine
    small: Engine
    text_encoder: Engine
    decoder: Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be drawn, and where it is split."""

    prompts: tuple[str, ...]
    splits: tuple[int, ...]
    steps: int
    sampler: str
    guidance_scale: float
    seed: int
    size: tuple[int, int]

    def settings(self, prompt: str) -> Settings:
        """One picture's settings."""
        width, height = self.size
        return Settings(
            prompt=prompt,
            negative_prompt="",
            seed=self.seed,
            image=0,
            sampler=self.sampler,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            width=width,
            height=height,
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """Measured milliseconds of one call each, alone on this machine."""

    encode: float
    large_step: float
    small_step: float
    decode: float

    def saving(self, split: int, *, steps: int) -> Decimal:
        """1 - cloud(k) / cloud-only: the cloud encodes and runs k large steps, the device does the rest."""
        encode = Decimal(str(self.encode))
        work = cost.Work(
            steps=steps,
            large=Decimal(str(self.large_step)),
            decode=encode + Decimal(str(self.decode)),
            extra=encode,
        )
        return work.reduction(split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One split."""

    split: int
    noise_level: float
    """Standard deviation of the noise in x at the boundary."""
    cloud_milliseconds: float
    device_milliseconds: float
    saving: float
    psnr_decibels: float | None
    """Against the picture of the large network alone; `None` where they are equal."""
    latent_distance: float
    """Root mean square of the difference of the final latents, relative to the large network's."""
    stored: Mapping[str, float] | None
    """What the pair's own card says at this split."""


def costs(pair: Pair, plan: Plan) -> Costs:
    """Every kind of call, measured now: what an engine measured when it was built may be of a busier hour."""
    settings = plan.settings(plan.prompts[0])
    texts = _encode(pair, settings)
    x = np.zeros(pair.model.latent_shape(*plan.size), dtype=np.float32)

    def step(engine: Engine) -> float:
        with Network(engine, _held(engine, texts, settings=settings)) as network:
            return _milliseconds(lambda: network(x, 500.0))

    return Costs(
        encode=_milliseconds(lambda: _encode(pair, settings)),
        large_step=step(pair.large),
        small_step=step(pair.small),
        decode=_milliseconds(lambda: finish.decode(x, decoder=pair.decoder)),
    )


def _milliseconds(call: Callable[[], object]) -> float:
    return 1000 * profile.median_seconds(call)


def measure(pair: Pair, plan: Plan, *, measured: Costs, progress: Callable[[], None]) -> list[Point]:
    """Every split of every prompt; `progress` is called after each picture."""
    schedule = sampler.Schedule.from_config(pair.model.schedule)
    table = sampler.compile_table(schedule, sampler=plan.sampler, steps=plan.steps)
    squared: dict[int, list[float]] = {split: [] for split in plan.splits}
    distances: dict[int, list[float]] = {split: [] for split in plan.splits}
    for prompt in plan.prompts:
        for split, error, distance in _differences(pair, plan.settings(prompt), table=table, splits=plan.splits):
            squared[split].append(error)
            distances[split].append(distance)
            progress()
    return [
        Point(
            split=split,
            noise_level=round(sampler.level_of(schedule, table=table, position=split), 4),
            cloud_milliseconds=round(measured.encode + split * measured.large_step, 3),
            device_milliseconds=round((plan.steps - split) * measured.small_step + measured.decode, 3),
            saving=float(round(measured.saving(split, steps=plan.steps), 4)),
            psnr_decibels=_psnr(float(np.mean(squared[split]))),
            latent_distance=round(float(np.mean(distances[split])), 5),
            stored=stored(pair.model.curve, split=split, plan=plan),
        )
        for split in plan.splits
    ]


def stored(curve: Mapping[str, Any] | None, *, split: int, plan: Plan) -> dict[str, float] | None:
    """The card's figures for this split, where they were measured with the same sampler, steps and guidance."""
    if curve is None or curve.get("sampler") != plan.sampler or curve.get("steps") != plan.steps:
        return None
    if float(curve.get("guidance_scale", "nan")) != plan.guidance_scale:
        return None
    row = next((row for row in curve.get("curve", ()) if row.get("k") == split), None)
    if row is None:
        return None
    accuracy = {f"accuracy_{name}": float(value) for name, value in row.get("accuracy", {}).items()}
    return {**accuracy, "frechet": float(row["frechet"])}


def _differences(
    pair: Pair, settings: Settings, *, table: Table, splits: Sequence[int]
) -> Iterator[tuple[int, float, float]]:
    """Mean squared error of the pixels and relative distance of the latents at each split."""
    texts = _encode(pair, settings)
    states = _large_states(pair, settings, table=table, texts=texts)
    conditioning = _held(pair.small, texts, settings=settings)
    reference, picture = states[-1].x, finish.decode(states[-1].x, decoder=pair.decoder)
    for split in splits:
        with Network(pair.small, conditioning) as network:
            state = trajectory.run(states[split], table=table, stop=settings.steps, settings=settings, denoise=network)
        other = finish.decode(state.x, decoder=pair.decoder)
        yield split, _mean_squared(other, picture), _distance(state.x, reference)


def _large_states(pair: Pair, settings: Settings, *, table: Table, texts: NDArray[np.float32]) -> list[State]:
    """The state before every step of the large network, and after its last."""
    shape = pair.model.latent_shape(settings.width, settings.height)
    state = trajectory.begin(settings, table=table, latent_shape=shape)
    with Network(pair.large, _held(pair.large, texts, settings=settings)) as network:
        walk = trajectory.walk(state, table=table, stop=settings.steps, settings=settings, denoise=network)
        return [state, *(step.state for step in walk)]


def _held(engine: Engine, texts: NDArray[np.float32], *, settings: Settings) -> Conditioning:
    """What a network holds for a picture: networks that take the guidance scale as an input need one row."""
    ports = {port.name: port for port in engine.signature.by_role(Role.CONDITIONING)}
    if GUIDANCE not in ports:
        return {"text": texts}
    scale = guidance.embedded_scale(settings.guidance_scale, width=ports[GUIDANCE].shape[0])
    return {"text": texts[:1], GUIDANCE: scale[np.newaxis]}


def _takes_guidance(engine: Engine) -> bool:
    return any(port.name == GUIDANCE for port in engine.signature.by_role(Role.CONDITIONING))


def _encode(pair: Pair, settings: Settings) -> NDArray[np.float32]:
    """Rows of encoded text, the prompt's first."""
    takes_one = settings.guidance_scale == 1.0 or all(map(_takes_guidance, (pair.large, pair.small)))
    texts = [settings.prompt] if takes_one else [settings.prompt, settings.negative_prompt]
    tokens = PromptTokenizer(pair.model.tokenizer, length=pair.model.max_tokens)(texts)
    rows = []
    for row in tokens:
        outputs = pair.text_encoder({"tokens": row[np.newaxis]}, bucket=finish.bucket(pair.text_encoder, rows=1))
        rows.append(outputs["text"][0].copy())
    return np.stack(rows)


def _mean_squared(picture: Pixels, other: Pixels) -> float:
    difference = picture.astype(np.float64) - other.astype(np.float64)
    return float(np.mean(difference * difference))


def _distance(x: Latent, reference: Latent) -> float:
    return float(np.sqrt(np.mean((x - reference) ** 2) / np.mean(reference**2)))


def _psnr(mean_squared: float) -> float | None:
    return None if mean_squared == 0.0 else round(10 * math.log10(255.0**2 / mean_squared), 2)
