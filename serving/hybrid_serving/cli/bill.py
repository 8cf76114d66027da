"""What the workers of one machine cost, measured from outside: the age of their processes, by the kernel's books.

Written to the same ledger as what workers book themselves, so that the two can be held against each other. It asks no
worker anything.
"""

import threading
from collections.abc import Mapping
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


@dataclass(slots=True)
class _Segment:
    """One segment's processes."""

    keeper: Keeper
    resources: cost.Resources
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
    _segments: dict[str, _Segment] = field(default_factory=dict)
    _prices: PriceList | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Keepers read on threads of their own."""

    def see(self, application: Application) -> None:
        """Look at the processes of now, and at the prices that they were given."""
        if not application.config:
            return  # it is on its way in or out
        # Prices first: what is counted before they are known would never have any.
        self._reprice(application.config)
        if not self._segments:
            self._open(application.config)
        for deployment in application.deployments:
            if segment := self._segments.get(deployment.name):
                with self._lock:
                    segment.ages |= {pid: 0 for pid in deployment.pids if pid not in segment.ages and _age(pid)}
                    segment.look()

    def close(self) -> None:
        """Write what is still open."""
        for segment in self._segments.values():
            segment.keeper.stop()

    def _open(self, config: Mapping[str, Any]) -> None:
        for spec in serve_config.read_fixed(config["args"]).spec.segments:
            segment = _Segment(
                keeper=Keeper(
                    store.connect(self.address),
                    partial(self._totals, spec.name),
                    service=self.service,
                    source=source(f"bill-{spec.name}"),
                ),
                resources=cost.Resources(cpu_cores=Decimal(spec.engine.threads)),
                ages={},
            )
            self._segments[spec.name] = segment
            segment.keeper.reprice(pricing.tariff(segment.resources, self._prices))
            segment.keeper.start()

    def _reprice(self, config: Mapping[str, Any]) -> None:
        prices = serve_config.read_tunable(config["deployments"][0]["user_config"]).prices
        if prices != self._prices:
            self._prices = prices
            for segment in self._segments.values():
                segment.keeper.reprice(pricing.tariff(segment.resources, prices))

    def _totals(self, name: str) -> Totals:
        with self._lock:
            return {Key(name, "cloud", "", Kind.BILL): Count(self._segments[name].look())}


def _age(pid: int) -> int | None:
    """The age of a process; `None` where it has ended."""
    try:
        return clocks.process_age_nanoseconds(pid)
    except OSError:
        return None
