"""What a pod tells its containers that it occupies, for its price: the variables that both planes name.

Requests stand in pod templates, which replicas never see.
"""

from hybrid_api.cost import Resources

CPU, MEMORY, GPUS, GPU_TYPE = "HYBRID_POD_CPU_CORES", "HYBRID_POD_MEMORY_GIB", "HYBRID_POD_GPUS", "HYBRID_POD_GPU_TYPE"


def written(resources: Resources) -> dict[str, str]:
    """The variables of a pod that occupies this."""
    found = {CPU: f"{resources.cpu_cores:f}", MEMORY: f"{resources.memory_gib:f}"}
    return found | {GPUS: str(resources.gpus), GPU_TYPE: resources.gpu_type} if resources.gpus else found
