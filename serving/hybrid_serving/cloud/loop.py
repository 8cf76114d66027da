"""The engine loop: one thread that owns all engines of a replica and never waits for anything but work.

Before every engine call it looks at what arrived and what left, asks the batcher, and books what the call took. Other
threads talk to it through `submit`, `cancel` and `ask`; what they hand over is acted on at the next boundary.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter_ns
from typing import TypeVar

from hybrid_serving.cloud.batcher import Batcher, Turn
from hybrid_serving.cloud.clocks import Clocks
from hybrid_serving.cloud.roster import Roster
from hybrid_serving.cloud.stages import Stages
from hybrid_serving.cloud.task import Task
from hybrid_serving.cloud.ticket import Deliver, LoopEnded, QueueFull, Ticket
from hybrid_serving.cloud.timings import Timings
from hybrid_serving.protocol import Preview

__all__ = ["EngineLoop", "LoopEnded", "QueueFull"]

logger = logging.getLogger(__name__)
T = TypeVar("T")


class EngineLoop:
    """Runs tasks from `start` to `close`."""

    def __init__(self, stages: Stages, *, clock: Callable[[], float] = time.time) -> None:
        self._stages = stages
        self._clock = clock
        self._roster = Roster(stages)
        self._inbox: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine-loop", daemon=True)
        self._ending: Exception | None = None
        self._turn_began: float | None = None
        self._born = perf_counter_ns()
        self._idle_nanoseconds = self._host_nanoseconds = 0
        self.timings = Timings()
        self._calls = 0
        """Turns that have ended."""

    def start(self) -> None:
        """Begin to run what is submitted."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after the call that is running; whatever is unfinished fails with `LoopEnded`."""
        self._post(self._end)
        self._thread.join()

    def submit(self, task: Task, deliver: Deliver, *, wait_limit_seconds: float | None = None) -> Ticket:
        """Take a task; with a limit, new work that would wait longer is answered with `QueueFull`."""
        ticket = Ticket(task, deliver, wait_limit_seconds)
        if not self._post(lambda: self._roster.enter(ticket)):
            deliver(LoopEnded("The engine loop has ended; send the work to another replica."))
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Forget a task; the call that is running is the last that it can be part of."""
        self._post(lambda: self._roster.abandon(ticket))

    def stop_at(self, ticket: Ticket, stop: int) -> Future[bool]:
        """Let a task stop elsewhere than it was told; `False` where it has already come further."""
        return self.ask(lambda: self._roster.stop_at(ticket, stop))

    def drain(self) -> None:
        """Release everything at the next boundary, and all that still comes, with the reason `drain`."""
        told_at = self._calls
        self._post(lambda: self._release_all(told_at))

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Run `question` on the loop's thread at the next boundary."""
        future: Future[T] = Future()

        def answer() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(question())
            except Exception as error:  # not swallowed: who asked has to hear it  # noqa: BLE001
                future.set_exception(error)

        if not self._post(answer):
            future.set_exception(LoopEnded("The engine loop has ended."))
        return future

    def clocks(self) -> Clocks:
        """Where the time went so far. To be asked on the loop's thread."""
        total = perf_counter_ns() - self._born
        return Clocks(
            total_nanoseconds=total,
            idle_nanoseconds=self._idle_nanoseconds,
            host_nanoseconds=self._host_nanoseconds,
            books=self._roster.books.copy(),
        )

    @property
    def batcher(self) -> Batcher:
        """To be read on the loop's thread."""
        return self._roster.batcher

    @property
    def tasks(self) -> list[Task]:
        """What is here, running or waiting. To be read on the loop's thread."""
        return self._roster.tasks

    @property
    def seconds_in_turn(self) -> float:
        """How long the running turn has lasted; 0 between turns."""
        began = self._turn_began
        return 0.0 if began is None else time.monotonic() - began

    @property
    def ending(self) -> Exception | None:
        """Why the loop ended, if it did."""
        return self._ending

    def _post(self, action: Callable[[], None]) -> bool:
        with self._lock:
            if self._ending is not None:
                return False
            self._inbox.append(action)
        self._wake.set()
        return True

    def _run(self) -> None:
        try:
            while self._ending is None:
                self._wake.clear()
                began = perf_counter_ns()
                self._act()
                self._roster.seat()
                turn = self._roster.batcher.pick(self._clock())
                if turn is not None:
                    booked = self._take(turn)
                    self._host_nanoseconds += perf_counter_ns() - began - booked
                elif self._ending is None:
                    self._idle()
        except Exception as error:  # the outermost loop of this thread
            logger.exception("The engine loop failed; this replica is lost.")
            self._ending = error
        with self._lock:  # nothing is posted from here on
            self._act()
        self._roster.fail(f"The engine loop has ended: {self._ending}")

    def _act(self) -> None:
        """Do what was posted."""
        while self._inbox:
            self._inbox.popleft()()

    def _idle(self) -> None:
        began = perf_counter_ns()
        self._wake.wait()
        self._idle_nanoseconds += perf_counter_ns() - began

    def _take(self, turn: Turn) -> int:
        """One engine call, or the previews that are due, and what follows from it; nanoseconds that were booked."""
        tickets = [self._roster.ticket(job) for job in turn.jobs]
        self.timings.begin(tickets)
        items = turn.items
        self._turn_began = time.monotonic()
        nanoseconds = self._call(turn, tickets)
        self._turn_began = None
        self._calls += 1
        accounts = [ticket.task.account for ticket in tickets]
        self._roster.books.book(items, accounts, bucket=turn.bucket, nanoseconds=nanoseconds)
        self.timings.call(turn.kind, nanoseconds)
        for job in self._roster.batcher.finish(turn):
            self._roster.finish(self._roster.ticket(job))
        return nanoseconds

    def _call(self, turn: Turn, tickets: list[Ticket]) -> int:
        """Run a turn; nanoseconds of what is booked for it."""
        tasks = [ticket.task for ticket in tickets]
        match turn.kind:
            case "encode":
                return self._stages.encode(tasks, bucket=turn.bucket)
            case "step":
                return self._stages.step(tasks, bucket=turn.bucket)
            case "decode":
                return self._stages.decode(tasks, bucket=turn.bucket)
            case "preview":
                return self._preview(turn, tickets)

    def _preview(self, turn: Turn, tickets: list[Ticket]) -> int:
        began = perf_counter_ns()
        for item, ticket in zip(turn.items, tickets, strict=True):
            picture = self._stages.preview(ticket.task)
            if picture is not None:
                ticket.deliver(Preview(index=item.index, pixels=picture))
        return perf_counter_ns() - began

    def _release_all(self, told_at: int) -> None:
        count = len(self._roster.tasks)
        self._roster.drain()
        logger.info("Handed %d images over, %d engine calls after being told to drain.", count, self._calls - told_at)

    def _end(self) -> None:
        self._ending = LoopEnded("The engine loop was closed.")
