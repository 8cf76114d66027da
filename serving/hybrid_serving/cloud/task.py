"""One piece of work at this replica, from arrival to answer.

Mutable: made by the thread that received the work, changed by the engine thread alone from then on. It computes
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hybrid_serving.cloud.books import Account
from hybrid_serving.cloud.program import Keys, Program
from hybrid_serving.cloud.prompts import Embedding, Tokens
from hybrid_serving.protocol import State, Work
from hybrid_serving.table import Table


@dataclass(slots=True, eq=False, kw_only=True)
class Task:
    """Everything that a stage needs to know about one image."""

    work: Work
    table: Table
    keys: Keys
    program: Program
    rows: int
    """Rows of a step: 2 where it is guided by a second row."""
    state: State
    """Where it stood when it arrived; its slot knows better as soon as it has one."""
    tokens: Tokens
    """Of its texts, conditional first; none where it came with its conditioning."""
    texts: list[Embedding | None]
    """Encoded texts by row; `None` is yet to be encoded."""
    guidance: Embedding
    """The embedded guidance scale, where the network takes one."""
    position: int
    """The next entry of the table."""
    slot: int | None = None
    account: Account = field(default_factory=Account)
    pixels: NDArray[np.uint8] | None = None
    failure: Exception | None = None
    """Why this image, and only it, cannot be finished."""

    @property
    def missing(self) -> list[int]:
        """Rows whose text nobody encoded yet."""
        return [row for row, text in enumerate(self.texts) if text is None]

    def held(self) -> list[Embedding]:
        """Conditioning by row, without batch axis; nothing while a text is not encoded."""
        texts = [text for text in self.texts if text is not None]
        return [{**text, **self.guidance} for text in texts] if len(texts) == self.rows else []

    def conditioning(self) -> Mapping[str, NDArray[np.float32]]:
        """The same as it travels: arrays with rows first."""
        held = self.held()
        return {name: np.stack([row[name] for row in held]) for name in held[0]} if held else {}
