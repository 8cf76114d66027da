"""Coefficient tables: a sampler as data.

An entry holds the weights of one linear step in x, the network's output, earlier estimates and noise. Values only:
`sampler` computes and applies them, `handoff` carries what is left of them. No entry may depend on the device.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One step: x0 = x0_from_x·x + x0_from_output·output, then x' = x·x + x0·x0 + history·earlier x0 + noise·noise."""

    level: float
    """Shown to the network (the training step, whole or between two)."""
    c_in: float = 1.0
    """Scales x for the network; 1 wherever the network takes variance-preserving input."""
    x0_from_x: float
    x0_from_output: float
    x: float
    x0: float
    history: tuple[float, ...] = ()
    """Weights of what the sampler remembers, newest first."""
    noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The entries of a trajectory from `start` on; `start` is 0 unless it is the rest of one."""

    sampler: str
    """Where it came from; whoever walks the table need not know it."""
    prediction: str
    initial: float
    """Weight of the noise that the trajectory starts from."""
    entries: tuple[Entry, ...]
    history_length: int = 0
    """How many earlier x0 estimates the sampler remembers."""
    start: int = 0

    @property
    def steps(self) -> int:
        """Length of the whole trajectory."""
        return self.start + len(self.entries)

    def at(self, position: int) -> Entry:
        """The entry of a position of the whole trajectory."""
        if not self.start <= position < self.steps:
            raise IndexError(
                f"Position {position} is outside this table, which holds {self.start} to {self.steps - 1}."
            )
        return self.entries[position - self.start]

    def boundary(self, position: int) -> float:
        """The level of a split at `position`: what the network after it sees first, 0 after the last entry."""
        return 0.0 if position == self.steps else self.at(position).level

    def needs_noise(self, position: int) -> bool:
        """Whether the step at `position` injects noise."""
        return self.at(position).noise != 0.0

    def rest(self, position: int) -> "Table":
        """What is left from `position` on; positions keep their numbers."""
        return replace(self, entries=self.entries[position - self.start :], start=position)
