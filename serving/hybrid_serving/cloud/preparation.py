"""From work to a task: checked, tokenized, with its table, its program and its first noise.

May be called from any thread, so that the engine thread finds everything done. It touches no engine.
"""

from collections.abc import Callable, Sequence

import numpy as np

from hybrid_serving import sampler, trajectory
from hybrid_serving.cloud import guidance, program
from hybrid_serving.cloud.books import Account
from hybrid_serving.cloud.latents import HISTORY
from hybrid_serving.cloud.networks import GUIDANCE, Networks, Size
from hybrid_serving.cloud.prompts import Embedding, Embeddings, Tokens
from hybrid_serving.cloud.task import Task
from hybrid_serving.protocol import Settings, State, Work
from hybrid_serving.table import Table


class WorkRefused(ValueError):
    """Work that does not fit this replica's networks."""


class Preparation:
    """What a replica's tasks are made with."""

    def __init__(
        self,
        networks: Networks,
        *,
        schedule: sampler.Schedule,
        tokenize: Callable[[Sequence[str]], Tokens],
        embeddings: Embeddings,
    ) -> None:
        self._schedule = schedule
        self._tokenize = tokenize
        self._embeddings = embeddings
        self._keys = {size: networks.keys(size) for size in networks.unets}
        self._shapes = {size: networks.latent_shape(size) for size in networks.unets}
        self._text_ports = {size: networks.text_ports(size) for size in networks.unets}
        self._guidance_widths = {size: networks.guidance_width(size) for size in networks.unets}

    def __call__(self, work: Work) -> Task:
        """Check the work and make of it what the loop can run."""
        size = self._size(work.settings)
        table = sampler.compile_table(self._schedule, sampler=work.settings.sampler, steps=work.settings.steps)
        state = work.state or trajectory.begin(work.settings, table=table, latent_shape=self._shapes[size])
        _check(work, state, table=table, shape=self._shapes[size])
        rows = 1 if work.settings.guidance_scale == 1.0 or self._guidance_widths[size] else 2
        tokens, texts = self._texts(work, size=size, rows=rows)
        return Task(
            work=work,
            table=table,
            keys=self._keys[size],
            program=program.compile(work, keys=self._keys[size], rows=rows, encode_rows=texts.count(None)),
            rows=rows,
            state=state,
            position=state.position,
            tokens=tokens,
            texts=texts,
            guidance=self._guidance(work.settings, size),
            account=Account(tenant=work.tenant),
        )

    def _size(self, settings: Settings) -> Size:
        size = (settings.width, settings.height)
        if size not in self._keys:
            known = ", ".join(f"{width}x{height}" for width, height in self._keys)
            raise WorkRefused(f"Size {size[0]}x{size[1]} has no engine here; choose one of {known}.")
        return size

    def _texts(self, work: Work, *, size: Size, rows: int) -> tuple[Tokens, list[Embedding | None]]:
        """Tokens of what is to be encoded, and what is encoded already, by row."""
        if not work.conditioning:
            tokens = self._tokenize([work.settings.prompt, work.settings.negative_prompt][:rows])
            return tokens, [self._embeddings.get(row) for row in tokens]
        found = {name: array.shape for name, array in work.conditioning.items() if name != GUIDANCE}
        expected = {port.name: (rows, *port.shape) for port in self._text_ports[size]}
        if found != expected:
            raise WorkRefused(
                f"Work `{work.id}` has conditioning {found}, expected {expected}: the conditional row first, then,"
                " where guidance takes a second row, the unconditional one."
            )
        given = [{name: array[row] for name, array in work.conditioning.items()} for row in range(rows)]
        return np.zeros((0, 0), dtype=np.int64), list(given)

    def _guidance(self, settings: Settings, size: Size) -> Embedding:
        width = self._guidance_widths[size]
        return {GUIDANCE: guidance.embedded_scale(settings.guidance_scale, width=width)} if width else {}


def _check(work: Work, state: State, *, table: Table, shape: tuple[int, ...]) -> None:
    """Refuse what would otherwise be found out in the middle of other people's batches."""
    if not 0 <= state.position <= work.stop <= table.steps:
        raise WorkRefused(
            f"Work `{work.id}` stands at step {state.position} and stops at {work.stop} of {table.steps};"
            " expected these numbers in ascending order."
        )
    if any(array.shape != shape for array in (state.x, *state.history)):
        raise WorkRefused(f"Work `{work.id}` has a latent of shape {state.x.shape}, expected {shape} everywhere.")
    needed = 0
    if state.position < table.steps:
        weights = table.at(state.position).history
        needed = max((age + 1 for age, weight in enumerate(weights) if weight), default=0)
    if not needed <= len(state.history) <= HISTORY:
        raise WorkRefused(
            f"Work `{work.id}` remembers {len(state.history)} earlier estimates, expected {needed} to {HISTORY} for"
            f" `{table.sampler}` at step {state.position}; pass on the whole state that was released."
        )
