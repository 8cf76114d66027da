"""Decides before every engine call which rows of which images run together.

Pure: the clock is an argument, engines are tables of milliseconds, images are programs. Images take turns by rounds, so
that a short one overtakes a long one; one that would be late if it waited a round goes first, by its absolute deadline;
one that is late anyway gives way, but keeps a tenth of the turns.
"""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from hybrid_serving.cloud import forecast
from hybrid_serving.cloud.pace import Pace
from hybrid_serving.cloud.program import PREVIEW, BatchKey, Item, Kind, Program

LATE_TURN = 10
"""Every which turn goes to work that is late anyway, while there is other work."""


class BatcherError(ValueError):
    """Work that no engine here can run."""


@dataclass(slots=True, eq=False)
class Job:
    """One image's progress through its program. Only the batcher changes it."""

    program: Program
    deadline: float
    """Seconds, on the clock that `pick` is given."""
    order: int
    """Order of arrival."""
    alone: list[float]
    """Profiled milliseconds of the program from each of its items on, if every call were its own."""
    shared: list[float]
    """The same at the price of a row in the best filled call."""
    done: int = 0
    round: int = 0
    """The round that its next item belongs to."""
    slack: float = 0.0
    """Milliseconds that may be lost before the deadline is, as of the last pick; negative when it is late."""

    @property
    def item(self) -> Item:
        """What comes next."""
        return self.program[self.done]

    @property
    def is_finished(self) -> bool:
        """Whether nothing comes next."""
        return self.done == len(self.program)

    @property
    def main_key(self) -> BatchKey:
        """The key of its steps; that of its first item where there are none."""
        return next((item.key for item in self.program if item.kind == "step"), self.program[0].key)

    def __lt__(self, other: "Job") -> bool:
        return (self.deadline, self.order) < (other.deadline, other.order)


@dataclass(frozen=True, slots=True)
class Turn:
    """One engine call: the next items of some jobs."""

    key: BatchKey
    bucket: int
    """Rows of the call, with padding; 0 where no engine is called."""
    jobs: tuple[Job, ...]
    """In the order in which they joined."""

    @property
    def kind(self) -> Kind:
        """What the call does; one key has one kind."""
        return self.jobs[0].item.kind

    @property
    def items(self) -> tuple[Item, ...]:
        """What each job gets done."""
        return tuple(job.item for job in self.jobs)


class Batcher:
    """The jobs of one replica. `resident` ones may run, at most `capacity`; the others wait for a place."""

    def __init__(self, paces: Mapping[BatchKey, Pace], *, capacity: int) -> None:
        self._paces = dict(paces)
        self._capacity = capacity
        self._resident: list[Job] = []
        self._waiting: list[Job] = []
        self._arrivals = count()
        self._admissions = 0
        self._contested = 0

    @property
    def resident(self) -> Sequence[Job]:
        """Jobs that may run, by deadline."""
        return self._resident

    @property
    def waiting(self) -> Sequence[Job]:
        """Jobs beyond the capacity, by deadline."""
        return self._waiting

    def add(self, program: Program, *, deadline: float) -> Job:
        """Take a program; it runs from when `admit` has returned its job."""
        self._check(program)
        job = Job(program, deadline, next(self._arrivals), *self._costs(program))
        insort(self._waiting, job)
        return job

    def admit(self) -> list[Job]:
        """Make waiting jobs resident as far as the capacity reaches: the most urgent, now and then the oldest."""
        admitted = []
        while self._waiting and len(self._resident) < self._capacity:
            self._admissions += 1
            is_oldest = self._admissions % LATE_TURN == 0
            job = min(self._waiting, key=lambda job: job.order) if is_oldest else self._waiting[0]
            self._waiting.remove(job)
            job.round = min((other.round for other in self._resident if other.slack >= 0), default=0)
            insort(self._resident, job)
            admitted.append(job)
        return admitted

    def remove(self, job: Job) -> None:
        """Forget a job, whether it runs, waits or is gone."""
        for jobs in (self._resident, self._waiting):
            if job in jobs:
                jobs.remove(job)

    def replace(self, job: Job, rest: Program) -> None:
        """Give a job another future; what it has done stays done. Not while a turn of it is running."""
        self._check(rest)
        job.program = (*job.program[: job.done], *rest)
        job.alone, job.shared = self._costs(job.program)

    def pick(self, now: float) -> Turn | None:
        """The next call, or `None` where nothing is resident."""
        if not self._resident:
            return None
        previews = [job for job in self._resident if job.item.kind == "preview"]
        if previews:
            return Turn(PREVIEW, 0, tuple(previews))
        for job in self._resident:
            job.slack = (job.deadline - now) * 1000 - job.alone[job.done]
        on_time = _in_turn([job for job in self._resident if job.slack >= 0])
        late = sorted((job for job in self._resident if job.slack < 0), key=lambda job: job.order)
        order = [*late, *on_time] if self._is_late_turn(on_time, late) else [*on_time, *late]
        return self._fill(order, on_time=on_time)

    def finish(self, turn: Turn) -> list[Job]:
        """Move the jobs of a turn on; those whose program is done leave and are returned."""
        for job in turn.jobs:
            job.done += 1
            job.round += turn.key != PREVIEW
        finished = [job for job in turn.jobs if job.is_finished]
        for job in finished:
            self.remove(job)
        return finished

    def outstanding(self) -> float:
        """Milliseconds of profiled work that is left."""
        return sum(job.shared[job.done] for job in (*self._resident, *self._waiting))

    def predicted_wait(self, key: BatchKey, *, rows: int) -> float:
        """Seconds until `rows` that arrive now would have a place in a call of `key` beside all that is here."""
        jobs = sorted((*self._resident, *self._waiting))
        other = sum(job.shared[job.done] for job in jobs if job.main_key != key)
        demands = [forecast.Demand(job.item.rows, len(job.program) - job.done) for job in jobs if job.main_key == key]
        return (other + forecast.wait_milliseconds(demands, rows=rows, pace=self._paces[key])) / 1000

    def _is_late_turn(self, on_time: Sequence[Job], late: Sequence[Job]) -> bool:
        if not late or not on_time:
            return False
        self._contested += 1
        return self._contested % LATE_TURN == 0

    def _fill(self, order: Sequence[Job], *, on_time: Sequence[Job]) -> Turn:
        """A call of the key that the first job names: the bucket that serves its candidates best, filled in order."""
        key = order[0].item.key
        candidates = [job for job in order if job.item.key == key]
        bucket = self._bucket(candidates, on_time=on_time)
        chosen, free = [], bucket
        for job in candidates:
            if job.item.rows <= free:
                chosen.append(job)
                free -= job.item.rows
        # Two rows of one image do not fit the last free row; a smaller bucket may then do.
        return Turn(key, min(bucket, self._paces[key].fitting(bucket - free)), tuple(chosen))

    def _bucket(self, candidates: Sequence[Job], *, on_time: Sequence[Job]) -> int:
        """The first bucket of the cheapest sequence of calls for all candidates that makes nobody late."""
        lead = candidates[0].item
        pace = self._paces[lead.key]
        shortest = pace.alone(lead.rows)
        rooms = (job.slack + (_gain(job) if job.item.key == lead.key else 0.0) for job in on_time)
        limit = min((room for room in rooms if room >= shortest), default=float("inf"))
        bucket = pace.first(sum(job.item.rows for job in candidates), limit=limit)
        return bucket if bucket >= lead.rows else pace.fitting(lead.rows)

    def _check(self, program: Program) -> None:
        if not program:
            raise BatcherError("Found a program without items, expected at least one; answer such work at once.")
        for item in program:
            pace = self._paces.get(item.key)
            if item.kind != "preview" and (pace is None or item.rows > pace.largest):
                found = "no engine" if pace is None else f"an engine for at most {pace.largest} rows a call"
                raise BatcherError(
                    f"Found {found} for {item.rows} rows of `{item.key.network}` {item.key.shape}; add a batch size of"
                    f" at least {item.rows} to the segment's engine."
                )

    def _costs(self, program: Program) -> tuple[list[float], list[float]]:
        alone = _rests(program, lambda item: self._paces[item.key].alone(item.rows))
        return alone, _rests(program, lambda item: self._paces[item.key].row_milliseconds * item.rows)


def _in_turn(jobs: Sequence[Job]) -> list[Job]:
    """Those that cannot wait a round by deadline, then the others by round and deadline; `jobs` are by deadline."""
    a_round = sum(job.shared[job.done] - job.shared[job.done + 1] for job in jobs)
    return sorted(jobs, key=lambda job: (job.slack >= a_round, job.round if job.slack >= a_round else 0))


def _gain(job: Job) -> float:
    """Milliseconds that a job gets done by taking part in the call."""
    return job.alone[job.done] - job.alone[job.done + 1]


def _rests(program: Program, price: Callable[[Item], float]) -> list[float]:
    """Total price from each item on; previews call no engine and are free."""
    prices = (0.0 if item.kind == "preview" else price(item) for item in reversed(program))
    return list(accumulate(prices, initial=0.0))[::-1]
