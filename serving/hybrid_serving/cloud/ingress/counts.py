"""What is counted about requests, pictures, bytes and savings: for the meter as it happens, for the ledger as totals.

Engine time is not counted here: workers book their own, to the same tenants. Ids are never labels.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from hybrid_api import cost, metric_names
from hybrid_api.prices import PriceList
from hybrid_serving.cloud.metrics import Meter, NoMeter
from hybrid_serving.ledger.entries import PARTS_OF_MONEY, Count, Key, Kind, Tier
from hybrid_serving.ledger.journal import Totals

HandoffOutcome = Literal["issued", "finished", "returned", "refused"]


@dataclass(slots=True, kw_only=True)
class Counts:
    """The counts of one ingress replica."""

    meter: Meter = field(default_factory=NoMeter)
    _totals: dict[Key, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def totals(self) -> Totals:
        """Everything since the replica's start, as the ledger wants it; from any thread."""
        with self._lock:
            return {key: Count(quantity) for key, quantity in self._totals.items()}

    def sent(self, size_bytes: int, *, tenant: str, prices: PriceList | None) -> None:
        """Bytes that went to a client."""
        self.meter.add(metric_names.EGRESS_BYTES, size_bytes, {"tenant": tenant})
        self._add(Key("", "cloud", tenant, Kind.EGRESS), size_bytes)
        if prices is not None:
            labels = {"tenant": tenant, "segment": "", "tier": "cloud", "kind": "egress", "cost_basis": "usage"}
            self.meter.add(metric_names.COST, float(cost.egress(size_bytes, prices=prices)), labels)

    def delivered(self, document: Mapping[str, Any], *, images: int, tenant: str, tier: Tier) -> None:
        """Pictures that are there, with their cost as the client was told it; `tier` finished them."""
        self.meter.add(metric_names.IMAGES, images, {"tenant": tenant, "tier": tier})
        self._add(Key("", tier, tenant, Kind.IMAGES), images)
        if document.get("all_cloud") is None:
            return
        for metric, kind, name in (
            (metric_names.ALL_CLOUD_COST, Kind.ALL_CLOUD, "all_cloud"),
            (metric_names.COMPARED_COST, Kind.COMPARED, "cloud"),
        ):
            amount = Decimal(document[name])
            self.meter.add(metric, float(amount), {"tenant": tenant})
            self._add(Key("", tier, tenant, kind), int(amount * PARTS_OF_MONEY))

    def computed_at_the_edge(self, seconds: Decimal, *, tenant: str) -> None:
        """What a device reports."""
        self.meter.add(metric_names.EDGE_SECONDS, float(seconds), {"tenant": tenant})
        self._add(Key("", "edge", tenant, Kind.EDGE), int(seconds * 1_000_000_000))

    def handoff(self, outcome: HandoffOutcome) -> None:
        """What became of a handoff."""
        self.meter.add(metric_names.HANDOFFS, 1, {"outcome": outcome})

    def repeated(self, count: int) -> None:
        """Workers that died under an image."""
        self.meter.add(metric_names.REPEATS, count, {})

    def late(self, *, tenant: str) -> None:
        """A picture that was not there by its deadline."""
        self.meter.add(metric_names.DEADLINE_MISSES, 1, {"tenant": tenant})

    def previewed(self, seconds: float) -> None:
        """A request's first preview, so long after it came."""
        self.meter.observe(metric_names.FIRST_PREVIEW, seconds, {})

    def _add(self, key: Key, quantity: int) -> None:
        with self._lock:
            self._totals[key] = self._totals.get(key, 0) + quantity
