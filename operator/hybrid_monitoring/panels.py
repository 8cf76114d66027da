"""What a dashboard consists of: rows of panels, each with a unit, a description and its queries. Values only."""

from dataclasses import dataclass
from typing import Literal

from hybrid_monitoring.queries import Query

Unit = Literal["money", "percent", "seconds", "count", "per second", "bytes per second", "money per hour", "none"]
Shape = Literal["number", "lines", "areas", "bars"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of a dashboard."""

    title: str
    description: str
    """What it says, and what to make of it."""
    unit: Unit
    shape: Shape
    queries: tuple[Query, ...]
    width: int = 8
    """Of 24."""
    good_above: float | None = None
    """Where a number turns from alarming to good, if it has such a place."""
    bad_above: float | None = None
    """Where a number turns from good to alarming."""

    @property
    def is_instant(self) -> bool:
        """Whether one value for the whole range is shown instead of its course."""
        return self.shape in ("number", "bars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
