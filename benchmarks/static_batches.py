"""The peer of `benchmarks.scheduling`: whole requests in static batches, on the same stages as the service.

It takes what waits, in order of arrival, up to the largest bucket, and runs it to the end. Finished rows are dropped
and answered at once, so its calls shrink; but nobody joins before the last row is done.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any

from hybrid_serving.cloud.networks import Size
from hybrid_serving.cloud.stages import Stages
from hybrid_serving.cloud.task import Task

Deliver = Callable[[Any], None]
_Waiting = tuple[Task, Deliver]


class StaticBatches:
    """One batch at a time, on a thread of its own."""

    def __init__(self, stages: Stages, *, size: Size) -> None:
        self._stages = stages
        self._pace = stages.networks.paces()[stages.networks.keys(size).step]
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._next: _Waiting | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, task: Task, deliver: Deliver) -> None:
        """Take a task into the queue; `deliver` is called with its answer."""
        self._queue.put((task, deliver))

    def close(self) -> None:
        """End when nothing waits."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._gather():
            for slot, (task, _) in enumerate(batch):
                self._stages.seat(task, slot)
            while batch:
                tasks = [task for task, _ in batch]
                self._stages.step(tasks, bucket=self._pace.fitting(sum(task.rows for task in tasks)))
                batch = [each for each in batch if not self._answer_if_done(*each)]

    def _answer_if_done(self, task: Task, deliver: Deliver) -> bool:
        if task.position < task.work.stop:
            return False
        answer = self._stages.released(task, "split")
        self._stages.leave(task)
        deliver(answer)
        return True

    def _gather(self) -> list[_Waiting]:
        """The next batch; waits for its first task only."""
        batch: list[_Waiting] = []
        free = self._pace.largest
        waiting = self._next or self._queue.get()
        self._next = None
        while waiting is not None and waiting[0].rows <= free:
            batch.append(waiting)
            free -= waiting[0].rows
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch
        self._next = waiting
        return batch
