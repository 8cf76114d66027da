"""What this replica occupies, for its price: as its pod says it, else the threads that its engines were given.

The pod's own environment tells, because requests stand in pod templates, which replicas never see.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from hybrid_api.cost import Resources
from hybrid_api.pod_environment import CPU, GPU_TYPE, GPUS, MEMORY


def read(environment: Mapping[str, str], *, threads: int) -> Resources:
    """What the environment says; without a number of cores in it, `threads` cores and nothing else."""
    cores = _decimal(environment.get(CPU, ""))
    if cores is None:
        return Resources(cpu_cores=Decimal(threads))
    return Resources(
        cpu_cores=cores,
        memory_gib=_decimal(environment.get(MEMORY, "")) or Decimal(0),
        gpus=int(_decimal(environment.get(GPUS, "")) or 0),
        gpu_type=environment.get(GPU_TYPE, ""),
    )


def describe(resources: Resources) -> dict[str, str]:
    """As plain values, for `parse`."""
    return {
        "cpu_cores": str(resources.cpu_cores),
        "memory_gib": str(resources.memory_gib),
        "gpus": str(resources.gpus),
        "gpu_type": resources.gpu_type,
    }


def parse(described: Mapping[str, str]) -> Resources:
    """The inverse of `describe`."""
    return Resources(
        cpu_cores=Decimal(described["cpu_cores"]),
        memory_gib=Decimal(described["memory_gib"]),
        gpus=int(described["gpus"]),
        gpu_type=described["gpu_type"],
    )


def _decimal(text: str) -> Decimal | None:
    """A pod that is given nonsense is priced as if it had said nothing."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None
