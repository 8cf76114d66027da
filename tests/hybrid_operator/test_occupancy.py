"""What pods occupy, as Kubernetes counts it."""

from decimal import Decimal
from typing import Any

import pytest

from hybrid_api.cost import Resources
from hybrid_operator import occupancy

Manifest = dict[str, Any]


def a_pod(*resources: Manifest, labels: dict[str, str] | None = None, nodes: dict[str, str] | None = None) -> Manifest:
    containers = [{"name": f"c{number}", "resources": each} for number, each in enumerate(resources)]
    return {"metadata": {"labels": labels or {}}, "spec": {"containers": containers, "nodeSelector": nodes or {}}}


def test_containers_add_up() -> None:
    pod = a_pod({"requests": {"cpu": "1500m", "memory": "1Gi"}}, {"requests": {"cpu": "0.25", "memory": "512Mi"}})
    assert occupancy.of_pod(pod) == Resources(cpu_cores=Decimal("1.75"), memory_gib=Decimal("1.5"))


def test_what_is_limited_and_not_requested_is_requested_to_its_limit() -> None:
    pod = a_pod({"requests": {"cpu": "1"}, "limits": {"cpu": "4", "memory": "2Gi"}})
    assert occupancy.of_pod(pod) == Resources(cpu_cores=Decimal(1), memory_gib=Decimal(2))


def test_a_pod_that_requests_nothing_occupies_nothing() -> None:
    assert occupancy.of_pod({"spec": {"containers": [{"name": "a"}]}}) == Resources(cpu_cores=Decimal(0))


@pytest.mark.parametrize(
    ("text", "gib"),
    [
        ("1073741824", "1"),
        ("1Gi", "1"),
        ("1024Mi", "1"),
        ("0.5Ti", "512"),
        ("1073741824000m", "1"),
        ("2147483648e0", "2"),
        (1073741824, "1"),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(text: object, gib: str) -> None:
    assert occupancy.of_pod(a_pod({"requests": {"memory": text}})).memory_gib == Decimal(gib)


def test_decimal_suffixes_are_no_binary_ones() -> None:
    found = occupancy.of_pod(a_pod({"requests": {"memory": "1G"}})).memory_gib
    assert found == Decimal(10) ** 9 / Decimal(2) ** 30


@pytest.mark.parametrize("text", ["", "much", "1.2.3", "-1", "1Xi", "1 Gi"])
def test_what_is_no_quantity_is_nothing(text: str) -> None:
    assert occupancy.of_pod(a_pod({"requests": {"cpu": text}})).cpu_cores == 0


@pytest.mark.parametrize("name", ["nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-1g.5gb"])
def test_gpus_are_counted_whoever_makes_them(name: str) -> None:
    assert occupancy.of_pod(a_pod({"limits": {name: "2", "cpu": "8"}})).gpus == 2


def test_a_gpu_is_called_what_its_nodes_are_called_unless_the_user_says_otherwise() -> None:
    nodes = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert occupancy.gpu_type(a_pod(nodes=nodes)) == "NVIDIA-L4"
    assert occupancy.gpu_type(a_pod(nodes=nodes, labels={occupancy.LABEL_GPU_TYPE: "l4"})) == "l4"
    assert occupancy.gpu_type(a_pod(nodes={"pool": "gpu"})) == ""
