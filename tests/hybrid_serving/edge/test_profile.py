"""A device measures itself once, with the engines that will do the work."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_serving.edge import profile


def test_the_profile_is_the_median_of_warm_calls(fakes: Any) -> None:
    ticks = iter(range(1000))
    measured = profile.measure(fakes.unet(), decoder=fakes.decoder(), clock=lambda: float(next(ticks)))
    assert measured == profile.DeviceProfile(seconds_per_step=1.0, seconds_to_decode=1.0)


def test_it_is_measured_once(fakes: Any, tmp_path: Path) -> None:
    first = profile.cached(fakes.unet(), decoder=fakes.decoder(), folder=tmp_path)
    unet = fakes.unet()
    assert profile.cached(unet, decoder=fakes.decoder(), folder=tmp_path) == first
    assert unet.calls == 0


def test_another_network_is_measured_apart(fakes: Any, tmp_path: Path) -> None:
    profile.cached(fakes.unet(), decoder=fakes.decoder(), folder=tmp_path)
    other = fakes.unet(network="other")
    profile.cached(other, decoder=fakes.decoder(), folder=tmp_path)
    assert other.calls > 0


@pytest.mark.parametrize("text", ["", "{", '{"seconds": 1}', "[]"])
def test_a_profile_that_cannot_be_read_is_measured_anew(fakes: Any, tmp_path: Path, text: str) -> None:
    profile.cached(fakes.unet(), decoder=fakes.decoder(), folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(text)
    unet = fakes.unet()
    profile.cached(unet, decoder=fakes.decoder(), folder=tmp_path)
    assert unet.calls > 0


def test_nothing_stays_held_after_measuring(fakes: Any) -> None:
    unet = fakes.unet()
    profile.measure(unet, decoder=fakes.decoder())
    assert unet.held == set()
