"""What an image cost, and what it would have cost with every step in the cloud.

Time is integer nanoseconds, money is `Decimal`; neither is ever a float. A saving exists only together with the inputs
it was computed from. Pure: no clock, no counters, no I/O.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce
from typing import Any

from hybrid_api.errors import ApiError
from hybrid_api.prices import PriceList

__all__ = [
    "AllCloud",
    "CostError",
    "PriceList",
    "Report",
    "Resources",
    "Saving",
    "Work",
    "egress",
    "format_money",
    "hourly",
    "price",
    "report",
    "share",
    "spent",
]

_NANOSECONDS_AN_HOUR = 3_600_000_000_000
_BYTES_A_GIB = 2**30
_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
"""Wide enough that a year of nanoseconds at any plausible price loses nothing that is printed."""
_PRINTED = Decimal("1e-12")


class CostError(ApiError):
    """Something that cannot be priced or shared."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a worker occupies while its engine runs."""

    cpu_cores: Decimal
    memory_gib: Decimal = Decimal(0)
    gpus: int = 0
    gpu_type: str = ""
    """As in the price list's `gpuHour.<type>`; only read where there are GPUs."""


@dataclass(frozen=True, slots=True)
class AllCloud:
    """The counterfactual: all steps on the large network, decoded in the cloud. Nanoseconds are measured ones."""

    steps: int
    rows_a_step: int
    """Two where the request is guided."""
    step_nanoseconds: int
    """One row of one step on the large network."""
    encode_nanoseconds: int
    decode_nanoseconds: int

    @property
    def nanoseconds(self) -> int:
        """Engine time of the whole image."""
        steps = self.steps * self.rows_a_step * self.step_nanoseconds
        return self.encode_nanoseconds + steps + self.decode_nanoseconds


@dataclass(frozen=True, slots=True)
class Saving:
    """A share saved, with both sides of the comparison."""

    cloud: Decimal
    all_cloud: Decimal

    @property
    def fraction(self) -> Decimal | None:
        """1 - cloud / all-cloud; negative where the split cost more, `None` where all-cloud costs nothing."""
        if not self.all_cloud:
            return None
        return _EXACT.subtract(Decimal(1), _EXACT.divide(self.cloud, self.all_cloud))


@dataclass(frozen=True, slots=True)
class Report:
    """The cost of one image or request, every figure beside what it was computed from."""

    currency: str
    nanoseconds: Mapping[str, int]
    """Engine time booked in the cloud, by segment; fallbacks count like everything else."""
    egress_bytes: int
    saving: Saving
    all_cloud: AllCloud
    edge_seconds: Decimal | None = None
    """What the device reported. Information only: nobody here pays for it."""

    def document(self) -> dict[str, Any]:
        """JSON form: money as decimal strings."""
        fraction = self.saving.fraction
        return {
            "currency": self.currency,
            "cloud": format_money(self.saving.cloud),
            "all_cloud": format_money(self.saving.all_cloud),
            "saving": None if fraction is None else f"{fraction:.4f}",
            "nanoseconds": dict(self.nanoseconds),
            "egress_bytes": self.egress_bytes,
            "all_cloud_inputs": {
                "steps": self.all_cloud.steps,
                "rows_a_step": self.all_cloud.rows_a_step,
                "step_nanoseconds": self.all_cloud.step_nanoseconds,
                "encode_nanoseconds": self.all_cloud.encode_nanoseconds,
                "decode_nanoseconds": self.all_cloud.decode_nanoseconds,
            },
            "edge_seconds": None if self.edge_seconds is None else str(self.edge_seconds),
        }


def share(nanoseconds: int, weights: Sequence[int]) -> tuple[int, ...]:
    """`nanoseconds` in proportion to `weights`; integers, exact in sum (largest remainder, ties to the first)."""
    total = sum(weights)
    if nanoseconds < 0 or total <= 0 or min(weights) < 0:
        raise CostError(
            f"Found {nanoseconds} ns to share by weights {list(weights)}, expected neither to be negative "
            "and at least one weight above zero."
        )
    floors = [nanoseconds * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(nanoseconds * weights[index] % total))
    for index in by_remainder[: nanoseconds - sum(floors)]:
        floors[index] += 1
    return tuple(floors)


def hourly(resources: Resources, *, prices: PriceList) -> Decimal:
    """What the resources cost in an hour."""
    if resources.gpus and resources.gpu_type not in prices.gpu_hour:
        known = ", ".join(f"`{name}`" for name in prices.gpu_hour) or "none"
        raise CostError(f"`gpuHour.{resources.gpu_type}`: found no such price, expected one of {known}; add it.")
    gpu = prices.gpu_hour[resources.gpu_type] * resources.gpus if resources.gpus else Decimal(0)
    return resources.cpu_cores * prices.cpu_core_hour + resources.memory_gib * prices.memory_gib_hour + gpu


def price(nanoseconds: int, *, resources: Resources, prices: PriceList) -> Decimal:
    """What occupying the resources for that long costs."""
    product = _EXACT.multiply(hourly(resources, prices=prices), Decimal(nanoseconds))
    return _EXACT.divide(product, Decimal(_NANOSECONDS_AN_HOUR))


def egress(size_bytes: int, *, prices: PriceList) -> Decimal:
    """What sending that many bytes to a client costs."""
    return _EXACT.divide(_EXACT.multiply(prices.egress_gib, Decimal(size_bytes)), Decimal(_BYTES_A_GIB))


def spent(
    nanoseconds: Mapping[str, int], *, resources: Mapping[str, Resources], prices: PriceList, egress_bytes: int = 0
) -> Decimal:
    """What was booked by segment, and sent, costs."""
    booked = (price(time, resources=resources[name], prices=prices) for name, time in nanoseconds.items())
    return reduce(_EXACT.add, booked, egress(egress_bytes, prices=prices))


def report(
    nanoseconds: Mapping[str, int],
    *,
    resources: Mapping[str, Resources],
    all_cloud: AllCloud,
    all_cloud_on: Resources,
    prices: PriceList,
    egress_bytes: int = 0,
    all_cloud_egress_bytes: int = 0,
    edge_seconds: Decimal | None = None,
) -> Report:
    """Price what was booked by segment, and compare it with all steps on `all_cloud_on`, the first segment's worker."""
    cloud = spent(nanoseconds, resources=resources, prices=prices, egress_bytes=egress_bytes)
    alternative = spent(
        {"": all_cloud.nanoseconds},
        resources={"": all_cloud_on},
        prices=prices,
        egress_bytes=all_cloud_egress_bytes,
    )
    return Report(
        currency=prices.currency,
        nanoseconds=nanoseconds,
        egress_bytes=egress_bytes,
        saving=Saving(cloud=cloud, all_cloud=alternative),
        all_cloud=all_cloud,
        edge_seconds=edge_seconds,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """Compute by network, for an estimate where nothing was measured. Any unit (FLOPs, MACs), the same for all."""

    steps: int
    large: Decimal
    """One step of the large network."""
    decode: Decimal
    """One decoding; zero leaves decoding out of the comparison."""
    extra: Decimal = Decimal(0)
    """Small steps, decodings and the like that the cloud did after all."""

    def reduction(self, split: int) -> Decimal:
        """1 - (k F_L + extra) / (T F_L + F_VAE), Hybrid SD (arXiv 2408.06646): the device decodes."""
        if not 0 <= split <= self.steps:
            raise CostError(f"Found split {split}, expected 0 to {self.steps}, the number of steps.")
        whole = self.steps * self.large + self.decode
        if whole <= 0:
            raise CostError("Found no compute to save from, expected `steps` and `large` above zero.")
        return _EXACT.subtract(Decimal(1), _EXACT.divide(split * self.large + self.extra, whole))


def format_money(amount: Decimal) -> str:
    """Twelve decimals: an image of a small pair costs millionths of a unit."""
    return f"{amount.quantize(_PRINTED, context=_EXACT):f}"
