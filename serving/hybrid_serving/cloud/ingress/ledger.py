"""What is counted about requests, money and savings, and the figures that it comes to.

Pure: it computes amounts and hands them to a `Meter`; who exports them is not known here. Ids are never labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_serving.cloud.ingress.dispatch import Booking


class Meter(Protocol):
    """Where counts go."""

    def add(self, name: str, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter."""
        ...


class NoMeter:
    """Counts nothing."""

    def add(self, name: str, amount: float, labels: Mapping[str, str]) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Books what was spent as it is spent, and what all-cloud would have cost once a picture is there."""

    meter: Meter
    resources: Mapping[str, cost.Resources]

    def spent(self, bookings: Sequence[Booking], *, tenant: str, prices: PriceList | None) -> None:
        """Engine time of an image, finished or not."""
        for booking in bookings:
            labels = {"tenant": tenant, "segment": booking.segment}
            total = sum(booking.usage.nanoseconds.values())
            self.meter.add("hybriddiffusion_booked_engine_seconds", total / 1e9, labels)
            self.meter.add("hybriddiffusion_steps", booking.usage.rows.get("step", 0), labels)
            if prices is not None:
                money = cost.price(total, resources=self.resources[booking.segment], prices=prices)
                self._money("hybriddiffusion_cost", money, prices=prices, tenant=tenant, segment=booking.segment)

    def sent(self, size_bytes: int, *, tenant: str, prices: PriceList | None) -> None:
        """Bytes that went to a client."""
        self.meter.add("hybriddiffusion_egress_bytes", size_bytes, {"tenant": tenant})
        if prices is not None:
            money = cost.egress(size_bytes, prices=prices)
            self._money("hybriddiffusion_cost", money, prices=prices, tenant=tenant, segment="egress")

    def delivered(self, document: Mapping[str, Any], *, images: int, tenant: str, place: str) -> None:
        """Pictures that are there, with their cost as the client was told it; `place` is where they were finished."""
        self.meter.add("hybriddiffusion_images", images, {"tenant": tenant, "place": place})
        if (alternative := document.get("all_cloud")) is not None:
            labels = {"tenant": tenant, "currency": str(document["currency"])}
            self.meter.add("hybriddiffusion_all_cloud_cost", float(alternative), labels)
            self.meter.add("hybriddiffusion_compared_cost", float(document["cloud"]), labels)

    def computed_at_the_edge(self, seconds: float, *, tenant: str) -> None:
        """What a device reports."""
        self.meter.add("hybriddiffusion_edge_seconds", seconds, {"tenant": tenant})

    def repeated(self, count: int) -> None:
        """Replicas that died under an image."""
        if count:
            self.meter.add("hybriddiffusion_repeats", count, {})

    def _money(self, name: str, money: Decimal, *, prices: PriceList, tenant: str, segment: str) -> None:
        self.meter.add(name, float(money), {"tenant": tenant, "segment": segment, "currency": prices.currency})
