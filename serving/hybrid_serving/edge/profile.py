"""How fast this device is: seconds for a step of the small network and for decoding, measured once and kept.

Measures with the engines that will do the work, on noise. Asks nobody and decides nothing; the service's planner does.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hybrid_engines.engine import Engine
from hybrid_engines.signature import Role
from hybrid_serving.edge import finish

_RUNS = 7
_WARM_UP = 2


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What a device tells the service about itself."""

    seconds_per_step: float
    """One guided step of the small network at one size, alone on the device."""
    seconds_to_decode: float
    """Latent to pixels."""


def cached(unet: Engine, *, decoder: Engine, folder: Path) -> DeviceProfile:
    """The profile measured before for these engines, else measured now and kept in `folder`."""
    path = folder / f"{unet.domain.digest()}-{unet.signature.digest()[:16]}.json"
    try:
        return DeviceProfile(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        profile = measure(unet, decoder=decoder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(profile)))
    draft.replace(path)
    return profile


def measure(unet: Engine, *, decoder: Engine, clock: Callable[[], float] = time.perf_counter) -> DeviceProfile:
    """Median seconds of a guided step and of decoding, after a warm-up."""
    shapes = {port.name: port.shape for port in unet.signature.inputs}
    (sample,) = unet.signature.by_role(Role.SAMPLE)
    names = [port.name for port in unet.signature.by_role(Role.CONDITIONING)]
    # Embedded guidance takes one row a step, classifier-free guidance two.
    rows = 1 if "guidance" in names else 2
    conditioning = {name: np.zeros((rows, *shapes[name]), dtype=np.float32) for name in names}
    x = np.random.default_rng(0).standard_normal(sample.shape, dtype=np.float32)
    with finish.Network(unet, conditioning) as network:
        step = median_seconds(lambda: network(x, 500.0), clock=clock)
    return DeviceProfile(
        seconds_per_step=step,
        seconds_to_decode=median_seconds(lambda: finish.decode(x, decoder=decoder), clock=clock),
    )


def median_seconds(call: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median time of a call, after a warm-up."""
    seconds = []
    for _ in range(_WARM_UP + _RUNS):
        started = clock()
        call()
        seconds.append(clock() - started)
    return statistics.median(seconds[_WARM_UP:])
