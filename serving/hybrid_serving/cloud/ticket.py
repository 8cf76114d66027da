"""What passes between an engine loop and those who give it work.

Values and errors only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter_ns

from hybrid_serving.cloud.batcher import Job
from hybrid_serving.cloud.task import Task
from hybrid_serving.protocol import Image, Preview, Released

Event = Preview | Image | Released | Exception
Deliver = Callable[[Event], None]
"""Called on the loop's thread with previews, then once with the answer; must return at once and not raise."""


class LoopEnded(RuntimeError):
    """The engine loop ended; this replica cannot work any more, another one can."""


class QueueFull(Exception):
    """New work would wait longer than the limit."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"The predicted wait is {wait_seconds:.1f} s, more than the limit; try again later.")
        self.wait_seconds = wait_seconds

    def __reduce__(self) -> tuple[type["QueueFull"], tuple[float]]:
        return QueueFull, (self.wait_seconds,)


@dataclass(slots=True, eq=False)
class Ticket:
    """Somebody's interest in one task. Only the loop changes it."""

    task: Task
    deliver: Deliver
    wait_limit_seconds: float | None = None
    job: Job | None = None
    """Its place in the batcher, once it has one."""
    arrived_nanoseconds: int = field(default_factory=perf_counter_ns)
    has_begun: bool = False
    """Whether an engine call has had a row of it."""
    is_over: bool = False
    """Whether the answer was delivered, or nobody waits for it any more."""
