"""What is still to be done for one image here: a tuple of items, run strictly in order.

Pure. An item says what one engine call does for the image and which calls it may share; when it runs is the batcher's
business. Whatever has not started may be replaced at any boundary, so k can be decided late.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hybrid_serving.protocol import Work

Kind = Literal["encode", "step", "decode", "preview"]


class BatchKey(NamedTuple):
    """What rows must have in common to share an engine call; opaque to the batcher."""

    network: str
    variant: str
    shape: tuple[int, ...]


PREVIEW = BatchKey("preview", "base", ())
"""Previews call no engine, so any of them may share a turn."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image's part in one call."""

    kind: Kind
    key: BatchKey
    rows: int
    index: int = 0
    """The table's entry for a step, the number of the preview for a preview."""


Program = tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The batch keys of one picture size."""

    encode: BatchKey
    step: BatchKey
    decode: BatchKey


def compile(work: Work, *, keys: Keys, rows: int, encode_rows: int) -> Program:  # noqa: A001  (DESIGN's word)
    """Everything from where `work` stands to its stop; `rows` a step, `encode_rows` texts that nobody encoded yet."""
    encode = (Item("encode", keys.encode, encode_rows),) if encode_rows else ()
    start = work.state.position if work.state else 0
    return (*encode, *stretch(work, keys=keys, rows=rows, start=start))


def stretch(work: Work, *, keys: Keys, rows: int, start: int) -> Program:
    """Steps, previews and, where the stop is the end, decoding, from the entry `start` on."""
    return tuple(_items(work, keys=keys, rows=rows, start=start))


def _items(work: Work, *, keys: Keys, rows: int, start: int) -> Iterator[Item]:
    steps = work.settings.steps
    due = preview_positions(steps=steps, previews=work.previews)
    for position in range(start, work.stop):
        yield Item("step", keys.step, rows, position)
        if position + 1 in due:
            yield Item("preview", PREVIEW, 1, due[position + 1])
    if work.stop == steps:
        yield Item("decode", keys.decode, 1)


def preview_positions(*, steps: int, previews: int) -> dict[int, int]:
    """Position after which each preview is due, evenly spread over the whole trajectory; never the finished one."""
    positions = [round(steps * (index + 1) / (previews + 1)) for index in range(previews)]
    distinct = sorted({position for position in positions if 0 < position < steps})
    return {position: index for index, position in enumerate(distinct)}
