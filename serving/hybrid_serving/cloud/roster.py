"""Who is at a replica, where they sit, and how they leave.

Used by the engine thread only. It answers tickets; which of them run is the batcher's business, running them the
loop's.
"""

from dataclasses import replace

from hybrid_serving.cloud import program
from hybrid_serving.cloud.batcher import Batcher, BatcherError, Job
from hybrid_serving.cloud.books import Books
from hybrid_serving.cloud.stages import Stages
from hybrid_serving.cloud.task import Task
from hybrid_serving.cloud.ticket import Event, LoopEnded, QueueFull, Ticket
from hybrid_serving.protocol import ReleaseReason


class Roster:
    """The tickets of one replica, with their places in the batcher and in memory."""

    def __init__(self, stages: Stages) -> None:
        self.batcher = Batcher(stages.networks.paces(), capacity=stages.capacity)
        self.books = Books()
        self._stages = stages
        self._tickets: dict[Job, Ticket] = {}
        self._free_slots = list(range(stages.capacity))[::-1]
        self._draining = False

    @property
    def tasks(self) -> list[Task]:
        """What is here, running or waiting."""
        return [ticket.task for ticket in self._tickets.values()]

    def ticket(self, job: Job) -> Ticket:
        """Whose job it is."""
        return self._tickets[job]

    def enter(self, ticket: Ticket) -> None:
        """Let a ticket in, or answer it at once."""
        task = ticket.task
        if ticket.is_over:
            return
        if self._draining:
            self.answer(ticket, self._stages.released(task, "drain"))
        elif not task.program:
            self.answer(ticket, self._stages.released(task, "split"))
        elif (wait := self._excessive_wait(ticket)) is not None:
            self.answer(ticket, QueueFull(wait))
        else:
            self._add(ticket)

    def seat(self) -> None:
        """Give slots to those whom the batcher admits."""
        for job in self.batcher.admit():
            self._stages.seat(self._tickets[job].task, self._free_slots.pop())

    def finish(self, ticket: Ticket) -> None:
        """Answer a ticket whose program is done."""
        task = ticket.task
        if task.failure is not None:
            self.books.discard(task.account, "failed")
            self.answer(ticket, task.failure)
        elif task.pixels is not None:
            self.answer(ticket, self._stages.image(task))
        else:
            self.answer(ticket, self._stages.released(task, "split"))

    def answer(self, ticket: Ticket, event: Event) -> None:
        """Say how a task ended here, and forget it."""
        self._forget(ticket)
        ticket.deliver(event)

    def abandon(self, ticket: Ticket) -> None:
        """Forget a task that nobody waits for."""
        if not ticket.is_over:
            self.books.discard(ticket.task.account, "cancelled")
            self._forget(ticket)

    def stop_at(self, ticket: Ticket, stop: int) -> bool:
        """Replace what has not started by a program that stops elsewhere; `False` where it has already come further."""
        task, job = ticket.task, ticket.job
        if ticket.is_over or job is None or not task.position <= stop <= task.table.steps:
            return False
        task.work = replace(task.work, stop=stop)
        encode = tuple(item for item in job.program[job.done :] if item.kind == "encode")
        rest = (*encode, *program.stretch(task.work, keys=task.keys, rows=task.rows, start=task.position))
        if rest:
            self.batcher.replace(job, rest)
        else:
            self.finish(ticket)
        return True

    def drain(self) -> None:
        """Release all that is here, and all that still comes."""
        self._draining = True
        self.release("drain")

    def release(self, reason: ReleaseReason) -> None:
        """Answer all that is here with its state."""
        for ticket in list(self._tickets.values()):
            self.answer(ticket, self._stages.released(ticket.task, reason))

    def fail(self, reason: str) -> None:
        """Nobody may wait for ever for a loop that has ended."""
        for ticket in self._tickets.values():
            ticket.is_over = True
            self.books.discard(ticket.task.account, "failed")
            ticket.deliver(LoopEnded(reason))
        self._tickets.clear()

    def _add(self, ticket: Ticket) -> None:
        try:
            ticket.job = self.batcher.add(ticket.task.program, deadline=ticket.task.work.deadline)
        except BatcherError as error:
            self.answer(ticket, error)
        else:
            self._tickets[ticket.job] = ticket

    def _excessive_wait(self, ticket: Ticket) -> float | None:
        """The predicted wait of new work where it exceeds the limit; what others have begun is never refused."""
        if ticket.wait_limit_seconds is None or ticket.task.work.state is not None:
            return None
        wait = self.batcher.predicted_wait(ticket.task.keys.step, rows=ticket.task.rows)
        return wait if wait > ticket.wait_limit_seconds else None

    def _forget(self, ticket: Ticket) -> None:
        ticket.is_over = True
        if ticket.job is not None:
            self._tickets.pop(ticket.job, None)
            self.batcher.remove(ticket.job)
        if ticket.task.slot is not None:
            self._free_slots.append(ticket.task.slot)
            self._stages.leave(ticket.task)
