"""Prices of cloud resources, as a price list states them.

Decimal strings, the unit in each key. A list that is absurd is refused, because a wrong unit (a price a month for a
price an hour) otherwise ends in every report.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, ValidationError

from hybrid_api.errors import ApiError, sentence
from hybrid_api.model import ApiModel
from hybrid_api.scalars import DecimalString

GPU_PREFIX = "gpuHour."

_PLAUSIBLE: Mapping[str, Decimal] = {
    "cpuCoreHour": Decimal(1),
    "memoryGiBHour": Decimal("0.2"),
    "gpuHour": Decimal(100),
    "egressGiB": Decimal(2),
}
"""Several times the dearest list price known; OpenCost's chart once shipped 1.25 where 0.0316 a core-hour was meant."""

_LIKE_A_DOLLAR = frozenset({"USD", "EUR", "GBP", "CHF", "CAD", "AUD"})
"""Currencies in which `_PLAUSIBLE` makes sense; other lists are only checked for their form."""


class PriceListError(ApiError):
    """A price list that cannot be used."""


class PriceList(ApiModel):
    """What one unit of each resource costs."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217 code."""
    cpu_core_hour: DecimalString = Decimal(0)
    """One processor core for one hour."""
    memory_gib_hour: Annotated[DecimalString, Field(alias="memoryGiBHour")] = Decimal(0)
    """One GiB of memory for one hour."""
    gpu_hour: Mapping[str, DecimalString] = Field(default_factory=dict)
    """One GPU for one hour, by type."""
    egress_gib: Annotated[DecimalString, Field(alias="egressGiB")] = Decimal(0)
    """One GiB sent to clients."""

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> Self:
        """The price list in a ConfigMap's `data`, where GPUs are keys such as `gpuHour.nvidia-l4`."""
        flat = {key: value for key, value in data.items() if not key.startswith(GPU_PREFIX)}
        gpus = {key.removeprefix(GPU_PREFIX): value for key, value in data.items() if key.startswith(GPU_PREFIX)}
        if "gpuHour" in flat:
            raise PriceListError("`gpuHour`: found no GPU type, expected keys such as `gpuHour.nvidia-l4`.")
        try:
            prices = cls.model_validate({**flat, "gpuHour": gpus})
        except ValidationError as error:
            raise PriceListError(sentence(error, model=cls)) from error
        prices._check_plausible()
        return prices

    def _check_plausible(self) -> None:
        if self.currency not in _LIKE_A_DOLLAR:
            return
        stated = {
            "cpuCoreHour": self.cpu_core_hour,
            "memoryGiBHour": self.memory_gib_hour,
            "egressGiB": self.egress_gib,
            **{GPU_PREFIX + name: price for name, price in self.gpu_hour.items()},
        }
        for key, price in stated.items():
            most = _PLAUSIBLE[key.split(".")[0]]
            if price > most:
                raise PriceListError(
                    f"`{key}`: found {price} {self.currency}, expected at most {most} for one unit; "
                    "check whether the price is for another unit or another period."
                )
