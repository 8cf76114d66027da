"""The processor that engines run on: its name, the instruction set in use, the threads this process may run."""

import os
import platform
from functools import lru_cache
from pathlib import Path

from hybrid_engines.spec import Target

LEVELS = (
    ("avx512_core_amx", {"avx512f", "avx512bw", "avx512_bf16", "amx_bf16", "amx_tile"}),
    ("avx512_core_bf16", {"avx512f", "avx512bw", "avx512_bf16"}),
    ("avx512_core", {"avx512f", "avx512bw", "avx512vl", "avx512dq"}),
    ("avx2", {"avx2", "fma"}),
    ("sse41", {"sse4_1"}),
)
"""Names as in oneDNN, best first, with the flags that Linux shows for them."""

CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
"""Variables that make libraries use fewer instructions than the processor has, and so change bits."""

WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Values of oneDNN's caps that leave no bf16: it then emulates it, twenty times slower, or compiles nothing."""


def target(threads: int) -> Target:
    """What engines that run on this processor are compiled for."""
    return Target(device=device_name(), instruction_set=instruction_set(), threads=threads)


def device() -> str:
    """What decides the bits here, beside the key: nothing more than the instruction set that the key has."""
    return instruction_set()


def instruction_set() -> str:
    """The instruction set whose kernels run here, with whatever the environment forbids of it."""
    flags = set(_cpuinfo().get("flags", "").split())
    level = next((name for name, needed in LEVELS if needed <= flags), platform.machine())
    caps = [f"{name}={os.environ[name]}" for name in CAPS if os.environ.get(name)]
    return " ".join([level, *caps])


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 natively, and the environment lets it."""
    level, *caps = instruction_set().split()
    is_capped = any(cap.partition("=")[2].upper() in WITHOUT_BF16 for cap in caps)
    return level in {"avx512_core_bf16", "avx512_core_amx"} and not is_capped


def device_name() -> str:
    """Vendor's name with family, model and stepping (hypervisors shorten the name)."""
    found = _cpuinfo()
    numbers = "/".join(found.get(key, "?") for key in ("cpu family", "model", "stepping"))
    return f"{found.get('model name', platform.processor() or platform.machine())} ({numbers})"


def usable_threads() -> int:
    """Processors that the scheduler may give to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _cpuinfo() -> dict[str, str]:
    """The first processor's entry of Linux' cpuinfo; empty elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n", maxsplit=1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
