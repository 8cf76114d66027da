from decimal import Decimal

import pytest

from hybrid_api.cost import Resources
from hybrid_api.prices import PriceList
from hybrid_serving.cloud import occupancy, pricing

PRICES = PriceList(
    currency="USD",
    cpu_core_hour=Decimal("0.03"),
    memory_gib_hour=Decimal("0.004"),
    gpu_hour={"nvidia-l4": Decimal("0.7")},
)
POD = {
    occupancy.CPU: "4",
    occupancy.MEMORY: "24",
    occupancy.GPUS: "1",
    occupancy.GPU_TYPE: "nvidia-l4",
}


def test_a_pod_says_what_it_requests() -> None:
    found = occupancy.read(POD, threads=2)
    assert found == Resources(cpu_cores=Decimal(4), memory_gib=Decimal(24), gpus=1, gpu_type="nvidia-l4")
    assert occupancy.parse(occupancy.describe(found)) == found


@pytest.mark.parametrize("said", [{}, {occupancy.CPU: ""}, {occupancy.CPU: "many"}, {occupancy.CPU: "-1"}])
def test_a_process_occupies_the_threads_of_its_engines(said: dict[str, str]) -> None:
    assert occupancy.read(said, threads=2) == Resources(cpu_cores=Decimal(2))


def test_an_hour_costs_what_its_parts_cost() -> None:
    found = occupancy.read(POD, threads=2)
    parts = pricing.by_resource(found, PRICES)
    assert parts == {"cpu": Decimal("0.12"), "memory": Decimal("0.096"), "gpu": Decimal("0.7")}
    assert pricing.tariff(found, PRICES).hour == sum(parts.values())


def test_what_the_list_does_not_know_is_not_priced(caplog: pytest.LogCaptureFixture) -> None:
    found = occupancy.read({**POD, occupancy.GPU_TYPE: "unheard-of"}, threads=2)
    assert pricing.tariff(found, PRICES).currency == ""
    assert pricing.by_resource(found, PRICES) == {}
    assert "add it" in caplog.text
    assert pricing.tariff(found, None).currency == ""
