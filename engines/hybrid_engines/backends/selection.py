"""Which backend, precision and graph `auto` means here, and why; unavailable choices are refused in a sentence.

It finds out what is installed without importing it; only TensorRT is asked whether it takes the GPU that is here.
"""

import importlib
import importlib.util
import logging
import platform
from dataclasses import dataclass
from pathlib import Path

from hybrid_engines import cpu
from hybrid_engines.spec import BackendUnavailable, EngineSpec


@dataclass(frozen=True, slots=True)
class Offer:
    """What a backend needs and can do; the first precision and graph are what `auto` means."""

    packages: tuple[str, ...]
    """Any one of them suffices."""
    extras: tuple[str, ...]
    """What installs them, in the same order."""
    precisions: tuple[str, ...]
    graphs: tuple[str, ...]


OFFERS = {
    "tensorrt": Offer(("tensorrt", "tensorrt_rtx"), ("tensorrt", "tensorrt-rtx"), ("f16", "bf16", "f32"), ("static",)),
    "openvino": Offer(("openvino",), ("openvino",), ("f32", "bf16"), ("dynamic", "static")),
    "onnxruntime": Offer(("onnxruntime",), ("onnxruntime",), ("f32",), ("dynamic",)),
    "eager": Offer(("diffusers",), ("engines",), ("f32",), ("dynamic",)),
}
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, precision and graph that this machine has."""

    backend: str
    precision: str
    graph: str
    reason: str
    """One sentence."""


def choose(spec: EngineSpec) -> Choice:
    """Resolve `auto` and check the rest."""
    name, reason = _automatic() if spec.backend == "auto" else (spec.backend, "")
    _check_installed(name)
    offer = OFFERS[name]
    choice = Choice(
        backend=name,
        precision=_pick(spec.precision, offer.precisions, what="precision", backend=name),
        graph=_pick(spec.graph, offer.graphs, what="graph", backend=name),
        reason=reason or f"Backend `{name}` was asked for.",
    )
    if choice.precision == "bf16" and name != "tensorrt" and not cpu.has_bf16():
        raise BackendUnavailable(
            f"Precision `bf16` needs a CPU with AVX-512 BF16 or AMX; this one has {cpu.instruction_set()}. Use `f32`."
        )
    logger.debug("%s", choice.reason)
    return choice


def is_installed(backend: str) -> bool:
    """Whether a package behind `backend` can be imported."""
    return any(importlib.util.find_spec(package) is not None for package in OFFERS[backend].packages)


def has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return NVIDIA_DRIVER.exists()


def _automatic() -> tuple[str, str]:
    """The fastest backend that can run here, and one sentence why."""
    why_not = _objection_to_tensorrt()
    if why_not is None:
        return "tensorrt", "`auto` is `tensorrt` here: the fastest backend on this NVIDIA GPU."
    name, reason = _on_cpu()
    return name, f"`auto` is `{name}` here: {why_not}, {reason}."


def _objection_to_tensorrt() -> str | None:
    if not has_gpu():
        return "there is no NVIDIA GPU"
    if not is_installed("tensorrt"):
        return "neither `tensorrt` nor `tensorrt_rtx` is installed for the GPU"
    try:
        importlib.import_module("hybrid_engines.backends.tensorrt").device()
    except BackendUnavailable as error:
        return str(error).rstrip(".")
    return None


def _on_cpu() -> tuple[str, str]:
    machine = platform.machine()
    is_x86 = machine in {"x86_64", "AMD64"}
    if is_x86 and is_installed("openvino"):
        return "openvino", f"and it is the fastest backend on an x86 CPU ({cpu.instruction_set()})"
    because = "`openvino` is not installed" if is_x86 else f"OpenVINO is compiled for x86, this is {machine}"
    if is_installed("onnxruntime"):
        return "onnxruntime", because
    return "eager", f"{because}, and neither is `onnxruntime`" if is_x86 else f"{because}, without `onnxruntime`"


def _check_installed(name: str) -> None:
    if name not in OFFERS:
        known = ", ".join(f"`{each}`" for each in ("auto", *OFFERS))
        raise BackendUnavailable(f"There is no backend `{name}`; choose from {known}.")
    if not is_installed(name):
        offer = OFFERS[name]
        packages = " or ".join(f"`{package}`" for package in offer.packages)
        extras = " or ".join(f"`hybrid-diffusion[{extra}]`" for extra in offer.extras)
        raise BackendUnavailable(
            f"Backend `{name}` needs the package {packages}, which is not installed; install {extras}."
        )


def _pick(wanted: str, known: tuple[str, ...], *, what: str, backend: str) -> str:
    if wanted == "auto":
        return known[0]
    if wanted not in known:
        named = ", ".join(f"`{name}`" for name in known)
        raise BackendUnavailable(f"Backend `{backend}` has no {what} `{wanted}`; it has {named}.")
    return wanted
