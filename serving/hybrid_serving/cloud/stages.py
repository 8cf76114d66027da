"""What a turn runs for its rows: encoding, a step, decoding, a preview.

Called by the one thread that owns the engines. It decides nothing about order and knows neither asyncio nor Ray.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from hybrid_engines.engine import Array
from hybrid_engines.signature import Role
from hybrid_serving import noise, pixels, sampler
from hybrid_serving.cloud.latents import Latents, Slots
from hybrid_serving.cloud.networks import Networks, port
from hybrid_serving.cloud.program import BatchKey
from hybrid_serving.cloud.prompts import Embeddings
from hybrid_serving.cloud.task import Task
from hybrid_serving.protocol import Image, Latent, Released, ReleaseReason, State
from hybrid_serving.table import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewMap:
    """The pair's linear map from a latent pixel to RGB in [-1, 1]."""

    matrix: NDArray[np.float32]
    bias: NDArray[np.float32]


class Stages:
    """The networks of a replica, and the images that are in them."""

    def __init__(
        self, networks: Networks, *, capacity: int, embeddings: Embeddings, preview: PreviewMap | None = None
    ) -> None:
        self.networks = networks
        self.capacity = capacity
        self._engines = networks.by_key()
        self._latents = {
            networks.keys(size).step: Latents(networks.latent_shape(size), capacity=capacity) for size in networks.unets
        }
        self._domains = {size: networks.domain(size) for size in networks.unets}
        self.embeddings = embeddings
        self._preview_map = preview

    def seat(self, task: Task, slot: int) -> None:
        """Give a task its slot."""
        task.slot = slot
        self._latents[task.keys.step].put(slot, task.state)
        self._hold(task)

    def leave(self, task: Task) -> None:
        """Take a task's slot back."""
        assert task.slot is not None, "only seated tasks leave"
        for row in range(task.rows):
            self._engines[task.keys.step].drop(_carry(task.slot, row))
        task.slot = None

    def state(self, task: Task) -> State:
        """Where a task stands."""
        if task.slot is None:
            return task.state
        latents = self._latents[task.keys.step]
        return latents.state(task.slot, position=task.position, history_length=task.table.history_length)

    def released(self, task: Task, reason: ReleaseReason) -> Released:
        """The answer for a task that leaves before its end."""
        return Released(
            state=self.state(task),
            reason=reason,
            conditioning=task.conditioning(),
            usage=task.account.usage(),
            domain=self._domain(task),
        )

    def image(self, task: Task) -> Image:
        """The answer for a task whose picture is decoded."""
        assert task.pixels is not None, "a program that reaches the end decodes last"
        return Image(pixels=task.pixels, usage=task.account.usage(), domain=self._domain(task))

    def encode(self, tasks: Sequence[Task], *, bucket: int) -> int:
        """Encode the texts that are missing; nanoseconds of the engine call."""
        key = tasks[0].keys.encode
        missing = [(task, row) for task in tasks for row in task.missing]
        tokens = np.stack([task.tokens[row] for task, row in missing])
        outputs, nanoseconds = self._call(key, {port(self._engines[key], Role.TOKENS).name: tokens}, bucket=bucket)
        for index, (task, row) in enumerate(missing):
            text = {name: array[index].copy() for name, array in outputs.items()}
            task.texts[row] = text
            self.embeddings.put(task.tokens[row], text)
        for task in tasks:
            self._hold(task)
        return nanoseconds

    def step(self, tasks: Sequence[Task], *, bucket: int) -> int:
        """One step of every task; nanoseconds of the engine call."""
        key = tasks[0].keys.step
        latents, slots = self._latents[key], _slots(tasks)
        entries = [task.table.at(task.position) for task in tasks]
        x = latents.gather(slots)
        outputs, nanoseconds = self._denoise(key, x, tasks=tasks, entries=entries, bucket=bucket)
        latents.advance(slots, x, outputs, entries=entries, noise=_noises(tasks, latents.shape))
        for task in tasks:
            task.position += 1
        return nanoseconds

    def decode(self, tasks: Sequence[Task], *, bucket: int) -> int:
        """Turn finished latents into pictures; nanoseconds of the engine call."""
        key = tasks[0].keys.decode
        x = self._latents[tasks[0].keys.step].gather(_slots(tasks))
        outputs, nanoseconds = self._call(key, {port(self._engines[key], Role.SAMPLE).name: x}, bucket=bucket)
        (decoded,) = outputs.values()
        for row, task in enumerate(tasks):
            try:
                task.pixels = pixels.to_pixels(decoded[row])
            except pixels.PixelsError as error:
                task.failure = error
        return nanoseconds

    def preview(self, task: Task) -> NDArray[np.uint8] | None:
        """What the picture will look like, as far as its latent tells; `None` where that or the pair's map is none."""
        if self._preview_map is None:
            return None
        assert task.slot is not None, "previews follow steps"
        estimate = self._latents[task.keys.step].estimate(task.slot)
        size = (task.work.settings.width, task.work.settings.height)
        try:
            return pixels.preview(estimate, matrix=self._preview_map.matrix, bias=self._preview_map.bias, size=size)
        except pixels.PixelsError:
            return None  # decoding will say it, of this image alone

    def _denoise(
        self, key: BatchKey, x: Latent, *, tasks: Sequence[Task], entries: Sequence[Entry], bucket: int
    ) -> tuple[Latent, int]:
        """Guided outputs: all conditional rows come first in the call, then the unconditional ones."""
        engine = self._engines[key]
        guided = [index for index, task in enumerate(tasks) if task.rows == 2]
        sample = x * np.array([entry.c_in for entry in entries], dtype=np.float32).reshape(-1, *(1,) * (x.ndim - 1))
        levels = np.array([entry.level for entry in entries], dtype=np.float32)
        carries = [_carry(task.slot, 0) for task in tasks] + [_carry(tasks[index].slot, 1) for index in guided]
        arrays = {
            port(engine, Role.SAMPLE).name: np.concatenate([sample, sample[guided]]) if guided else sample,
            port(engine, Role.LEVEL).name: np.concatenate([levels, levels[guided]]) if guided else levels,
        }
        outputs, nanoseconds = self._call(key, arrays, bucket=bucket, slots=carries)
        output = outputs[port(engine, Role.OUTPUT).name]
        return _guide(output, tasks=tasks, guided=guided), nanoseconds

    def _call(
        self, key: BatchKey, arrays: dict[str, Array], *, bucket: int, slots: Sequence[int] = ()
    ) -> tuple[dict[str, Array], int]:
        engine = self._engines[key]
        started = perf_counter_ns()
        outputs = engine(arrays, bucket=bucket, slots=slots)
        nanoseconds = perf_counter_ns() - started
        return dict(outputs), nanoseconds

    def _hold(self, task: Task) -> None:
        """Give the conditioning to the U-Net as soon as it is complete."""
        for row, arrays in enumerate(task.held()):
            self._engines[task.keys.step].hold(_carry(task.slot, row), arrays)

    def _domain(self, task: Task) -> str:
        return self._domains[task.work.settings.width, task.work.settings.height]


def _slots(tasks: Sequence[Task]) -> Slots:
    return np.array([task.slot for task in tasks], dtype=np.intp)


def _carry(slot: int | None, row: int) -> int:
    """Where the engine keeps the conditioning of one row of a slot."""
    assert slot is not None, "only seated tasks run"
    return 2 * slot + row


def _guide(output: Latent, *, tasks: Sequence[Task], guided: Sequence[int]) -> Latent:
    """One output a task, from rows as `_denoise` laid them out."""
    own, unconditional = output[: len(tasks)], output[len(tasks) :]
    scales = [tasks[index].work.settings.guidance_scale for index in guided]
    if len(guided) == len(tasks):
        return sampler.guide(own, unconditional, scales)
    own = own.copy()
    if guided:
        own[guided] = sampler.guide(own[guided], unconditional, scales)
    return own


def _noises(tasks: Sequence[Task], shape: tuple[int, ...]) -> Sequence[Latent | None]:
    """What the step at each task's position injects, if it injects anything; drawn together, which costs far less."""
    noisy = [index for index, task in enumerate(tasks) if task.table.needs_noise(task.position)]
    found: list[Latent | None] = [None] * len(tasks)
    if noisy:
        places = [_place(tasks[index]) for index in noisy]
        for index, drawn in zip(noisy, noise.normals_rows(places, shape=shape), strict=True):
            found[index] = drawn
    return found


def _place(task: Task) -> noise.Place:
    settings = task.work.settings
    return noise.Place(settings.seed, settings.image, task.position + 1)
