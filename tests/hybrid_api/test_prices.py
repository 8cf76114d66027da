"""Price lists: what is refused, and that units are not mistaken in silence."""

from decimal import Decimal

import pytest

from hybrid_api.prices import PriceList, PriceListError

USD = {"currency": "USD"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "`currency`: found nothing, expected a value."),
        ({"currency": "$"}, "`currency`: found '$', expected text that matches"),
        ({"cpuCoreHour": "-0.1"}, "`cpuCoreHour`: found '-0.1', expected a decimal as a string"),
        ({"cpuCoreHour": "1e-3"}, "`cpuCoreHour`: found '1e-3', expected a decimal as a string"),
        ({"cpuCoreHour": "NaN"}, "`cpuCoreHour`: found 'NaN', expected a decimal as a string"),
        ({"CPU": "0.03"}, "`CPU`: found an unknown field, expected one of currency, cpuCoreHour, memoryGiBHour,"),
        ({"gpuHour": "0.7"}, "`gpuHour`: found no GPU type, expected keys such as `gpuHour.nvidia-l4`."),
        ({"gpuHour.l4": "free"}, "`gpuHour.l4`: found 'free', expected a decimal as a string"),
        ({"cpuCoreHour": "1.25"}, "`cpuCoreHour`: found 1.25 USD, expected at most 1 for one unit;"),
        ({"memoryGiBHour": "3"}, "`memoryGiBHour`: found 3 USD, expected at most 0.2 for one unit;"),
        ({"gpuHour.l4": "511"}, "`gpuHour.l4`: found 511 USD, expected at most 100 for one unit;"),
        ({"egressGiB": "90"}, "`egressGiB`: found 90 USD, expected at most 2 for one unit;"),
    ],
)
def test_a_list_that_is_refused(data: dict[str, str], message: str) -> None:
    full = data if "currency" in data or not data else USD | data
    with pytest.raises(PriceListError) as caught:
        PriceList.from_data(full)
    assert str(caught.value).startswith(message)


def test_other_currencies_are_not_judged_by_the_dollar() -> None:
    assert PriceList.from_data({"currency": "JPY", "cpuCoreHour": "4.9"}).cpu_core_hour == Decimal("4.9")


def test_what_a_list_leaves_out_is_free() -> None:
    prices = PriceList.from_data(USD)
    assert (prices.cpu_core_hour, prices.memory_gib_hour, prices.egress_gib, prices.gpu_hour) == (0, 0, 0, {})


def test_a_list_survives_the_serve_document() -> None:
    prices = PriceList.from_data(USD | {"cpuCoreHour": "0.0316", "gpuHour.nvidia-l4": "0.710"})
    assert PriceList.model_validate(prices.manifest()) == prices
    assert prices.manifest()["gpuHour"] == {"nvidia-l4": "0.710"}
