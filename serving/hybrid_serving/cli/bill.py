"""What the workers of one machine cost, measured from outside: the age of their processes, by the kernel's books.

Written to the same ledger as what workers book themselves, so that the two can be held against each other. It asks no
worker anything.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from hybrid_api import cost, serve_config
from hybrid_api.prices import PriceList
from hybrid_serving.cli.serve_api import Application
from hybrid_serving.cloud import clocks, pricing
from hybrid_serving.ledger import store
from hybrid_serving.ledger.entries import Count, Key, Kind
from hybrid_serving.ledger.journal import Totals
from hybrid_serving.ledger.keeper import Keeper, source

_Name = tuple[str, cost.Resources]
"""A segment, and what each of its workers occupies."""


@dataclass(slots=True)
class _Segment:
    """One segment's processes."""

    keeper: Keeper
    ages: dict[int, int]
    """Nanoseconds by process id, as last seen; Serve forgets a worker that stops before its process has ended."""
    ended_nanoseconds: int = 0
    """Of processes that are gone."""

    def look(self) -> int:
        """The age of all processes together, those that are gone included."""
        for pid, known in list(self.ages.items()):
            age = _age(pid)
            if age is None or age < known:  # gone, and its id perhaps somebody else's by now
                self.ended_nanoseconds += self.ages.pop(pid)
            else:
                self.ages[pid] = age
        return self.ended_nanoseconds + sum(self.ages.values())


@dataclass(slots=True, kw_only=True)
class Bill:
    """Sees an application once a second, until `close`."""

    service: str
    address: str
    """Of the ledger."""
    _segments: dict[_Name, _Segment] = field(default_factory=dict)
    """All that ever were: what has gone may still have processes."""
    _current: dict[str, _Name] = field(default_factory=dict)
    """By deployment, where its new processes belong."""
    _args: Any = None
    """What `_current` was read from."""
    _prices: PriceList | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Keepers read on threads of their own."""

    def see(self, application: Application) -> None:
        """Look at the processes of now, and at the prices that they were given."""
        if not application.config:
            return  # it is on its way in or out
        # Prices first: what is counted before they are known would never have any.
        self._reprice(application.config)
        if application.config["args"] != self._args:
            self._open(application.config)
        for deployment in application.deployments:
            if name := self._current.get(deployment.name):
                with self._lock:
                    self._take(name, deployment.pids)

    def close(self) -> None:
        """Write what is still open."""
        for segment in self._segments.values():
            segment.keeper.stop()

    def _take(self, name: _Name, pids: Sequence[int]) -> None:
        """Look at a deployment's processes; those that ran before a change stay where they are."""
        segments = [segment for known, segment in self._segments.items() if known[0] == name[0]]
        known = {pid for segment in segments for pid in segment.ages}
        self._segments[name].ages |= {pid: 0 for pid in pids if pid not in known and _age(pid)}
        for segment in segments:
            segment.look()

    def _open(self, config: Mapping[str, Any]) -> None:
        """Open what is missing of the segments of now."""
        specs = serve_config.read_fixed(config["args"]).spec.segments
        self._current = {
            spec.name: (spec.name, cost.Resources(cpu_cores=Decimal(spec.engine.threads))) for spec in specs
        }
        self._args = config["args"]
        for name in self._current.values():
            if name in self._segments:
                continue
            segment, resources = name
            keeper = Keeper(
                store.connect(self.address),
                partial(self._totals, name),
                service=self.service,
                source=source(f"bill-{segment}"),
            )
            self._segments[name] = _Segment(keeper=keeper, ages={})
            keeper.reprice(pricing.tariff(resources, self._prices))
            keeper.start()

    def _reprice(self, config: Mapping[str, Any]) -> None:
        prices = serve_config.read_tunable(config["deployments"][0]["user_config"]).prices
        if prices != self._prices:
            self._prices = prices
            for (_, resources), segment in self._segments.items():
                segment.keeper.reprice(pricing.tariff(resources, prices))

    def _totals(self, name: _Name) -> Totals:
        with self._lock:
            return {Key(name[0], "cloud", "", Kind.BILL): Count(self._segments[name].look())}


def _age(pid: int) -> int | None:
    """The age of a process; `None` where it has ended."""
    try:
        return clocks.process_age_nanoseconds(pid)
    except OSError:
        return None
