"""Which backend and precision `auto` means here, and why; unavailable choices are refused in a sentence.

It finds out what is installed without importing it.
"""

import importlib.util
import logging
import platform
from dataclasses import dataclass

from hybrid_engines import cpu
from hybrid_engines.spec import BackendUnavailable, EngineSpec

PACKAGES = {"openvino": ("openvino", "openvino"), "eager": ("diffusers", "engines")}
"""Backend to the package that it needs and the extra that installs it."""
PRECISIONS = {"openvino": ("f32", "bf16"), "eager": ("f32",)}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend and precision that this machine has."""

    backend: str
    precision: str
    reason: str
    """One sentence."""


def choose(spec: EngineSpec) -> Choice:
    """Resolve `auto` and check the rest."""
    choice = _backend(spec)
    if not is_installed(choice.backend):
        package, extra = PACKAGES[choice.backend]
        raise BackendUnavailable(
            f"Backend `{choice.backend}` needs the package `{package}`, which is not installed; "
            f"install `hybrid-diffusion[{extra}]`."
        )
    _check_precision(choice)
    logger.debug("%s", choice.reason)
    return choice


def is_installed(backend: str) -> bool:
    """Whether the package behind `backend` can be imported."""
    return importlib.util.find_spec(PACKAGES[backend][0]) is not None


def _backend(spec: EngineSpec) -> Choice:
    precision = "f32" if spec.precision == "auto" else spec.precision
    if spec.backend in PACKAGES:
        return Choice(spec.backend, precision, f"Backend `{spec.backend}` was asked for.")
    if spec.backend != "auto":
        known = ", ".join(f"`{name}`" for name in ("auto", *PACKAGES))
        raise BackendUnavailable(f"There is no backend `{spec.backend}`; choose from {known}.")
    machine = platform.machine()
    if machine not in {"x86_64", "AMD64"}:
        return Choice("eager", precision, f"`auto` is `eager` here: OpenVINO is compiled for x86, this is {machine}.")
    if not is_installed("openvino"):
        return Choice("eager", precision, "`auto` is `eager` here: openvino is not installed.")
    return Choice(
        "openvino",
        precision,
        f"`auto` is `openvino` here: the fastest backend on an x86 CPU ({cpu.instruction_set()}).",
    )


def _check_precision(choice: Choice) -> None:
    known = PRECISIONS[choice.backend]
    if choice.precision not in known:
        named = ", ".join(f"`{name}`" for name in known)
        raise BackendUnavailable(f"Backend `{choice.backend}` has no precision `{choice.precision}`; it has {named}.")
    if choice.precision == "bf16" and not cpu.has_bf16():
        raise BackendUnavailable(
            f"Precision `bf16` needs a CPU with AVX-512 BF16 or AMX; this one has {cpu.instruction_set()}. Use `f32`."
        )
