"""Where a replica's time went. Values only."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hybrid_serving.cloud.books import Books

_ENDED = ("Z", "X", "x")
"""States of a process that runs no more and still has an entry, for as long as its parent likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Times since the engine loop's start, in nanoseconds; each part has a stopwatch of its own."""

    total_nanoseconds: int
    idle_nanoseconds: int
    """Waiting for work."""
    host_nanoseconds: int
    """Between engine calls while there was work: choosing, sampling, answering."""
    books: Books
    """As of the moment; nobody writes on."""

    @property
    def unattributed_nanoseconds(self) -> int:
        """What no stopwatch saw; the parts are measured apart, so this shows what they miss."""
        seen = self.books.booked_nanoseconds + self.books.padding_nanoseconds
        return self.total_nanoseconds - self.idle_nanoseconds - self.host_nanoseconds - seen


def process_age_nanoseconds(pid: int | Literal["self"] = "self") -> int:
    """How long a process has run, by the kernel's own books; a clock that was set does not change it."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The second field may contain spaces; after its closing parenthesis come the state and, 19 fields later, the start.
    state, *fields = stat.rsplit(")", 1)[1].split()
    if state in _ENDED:
        raise ProcessLookupError(f"Process {pid} has ended and waits for its parent to notice.")
    started_ticks = int(fields[18])
    started = started_ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - started
