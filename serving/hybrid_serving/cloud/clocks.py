"""Where a replica's time went. Values only."""

from dataclasses import dataclass

from hybrid_serving.cloud.books import Books


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Times since the replica's start, in nanoseconds of its own clock; engine, previews, host and idle are all."""

    total_nanoseconds: int
    idle_nanoseconds: int
    """Waiting for work."""
    books: Books
    """As of the moment; nobody writes on."""

    @property
    def engine_nanoseconds(self) -> int:
        """Inside engine calls."""
        return self.books.busy_nanoseconds + self.books.padding_nanoseconds - self.books.preview_nanoseconds

    @property
    def host_nanoseconds(self) -> int:
        """Between engine calls while there was work; previews are booked, so they do not count."""
        booked = self.engine_nanoseconds + self.books.preview_nanoseconds
        return self.total_nanoseconds - self.idle_nanoseconds - booked

    def totals(self) -> dict[str, float]:
        """The same under the names of the metrics, in seconds."""
        nanoseconds = {
            "busy": self.books.busy_nanoseconds,
            "padding": self.books.padding_nanoseconds,
            "abandoned": self.books.abandoned_nanoseconds,
            "idle": self.idle_nanoseconds,
            "host": self.host_nanoseconds,
        }
        return {
            **{f"hybriddiffusion_engine_{name}_seconds": value / 1e9 for name, value in nanoseconds.items()},
            "hybriddiffusion_engine_calls": float(self.books.calls),
            "hybriddiffusion_engine_rows": float(self.books.rows),
        }
