"""What `hybrid profile` computes: savings beside their inputs, quality only where it was measured alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hybrid_serving.edge.conftest import LATENT, FakeEngine, a_decoder

from hybrid_engines import models
from hybrid_engines.signature import Port, Role, Signature
from hybrid_serving.cli import chart
from hybrid_serving.cli.curve import Costs, Pair, Plan, Point, costs, measure, stored
from hybrid_serving.cloud.guidance import embedded_scale

COSTS = Costs(encode=2.0, large_step=10.0, small_step=4.0, decode=8.0)
PLAN = Plan(prompts=("a",), splits=(0, 25), steps=25, sampler="dpmpp-2m", guidance_scale=5.0, seed=0, size=(64, 64))
CARD: dict[str, Any] = {
    "sampler": "dpmpp-2m",
    "steps": 25,
    "guidance_scale": "5.0",
    "curve": [{"k": 10, "accuracy": {"one": 0.9, "all": 0.8}, "frechet": 1.5}],
}


@pytest.mark.parametrize(("split", "saving"), [(0, 1 - 2 / 260), (10, 1 - 102 / 260), (25, 1 - 252 / 260)])
def test_a_saving_is_what_the_cloud_does_not_do(split: int, saving: float) -> None:
    assert float(COSTS.saving(split, steps=25)) == pytest.approx(saving)


def test_the_card_is_read_at_its_own_splits() -> None:
    assert stored(CARD, split=10, plan=PLAN) == {"accuracy_one": 0.9, "accuracy_all": 0.8, "frechet": 1.5}
    assert stored(CARD, split=11, plan=PLAN) is None
    assert stored(None, split=10, plan=PLAN) is None


@pytest.mark.parametrize("other", [{"sampler": "ddim"}, {"steps": 50}, {"guidance_scale": "1.0"}])
def test_a_card_that_was_measured_otherwise_says_nothing(other: dict[str, Any]) -> None:
    assert stored(CARD | other, split=10, plan=PLAN) is None


def a_network(*, takes_guidance: bool) -> FakeEngine:
    """A U-Net of whose rows each tells the guidance it was given."""
    ports = [
        Port("sample", Role.SAMPLE, "float32", LATENT),
        Port("level", Role.LEVEL, "float32", ()),
        Port("text", Role.CONDITIONING, "float32", (77, 4)),
    ]
    if takes_guidance:
        ports.append(Port("guidance", Role.CONDITIONING, "float32", (8,)))

    def denoise(arrays: Any, held: Any) -> Any:
        if takes_guidance:
            assert held["guidance"] == pytest.approx(embedded_scale(PLAN.guidance_scale, width=8)[np.newaxis])
        return arrays["sample"] * np.float32(0.5)

    return FakeEngine(Signature("unet", tuple(ports), (Port("output", Role.OUTPUT, "float32", LATENT),)), denoise)


def a_text_encoder() -> FakeEngine:
    def encode(arrays: Any, _: Any) -> Any:
        return np.ones((len(arrays["tokens"]), 77, 4))

    tokens, text = Port("tokens", Role.SAMPLE, "int64", (77,)), Port("text", Role.OUTPUT, "float32", (77, 4))
    return FakeEngine(Signature("text_encoder", (tokens,), (text,)), encode)


@pytest.mark.parametrize("takes_guidance", [False, True])
def test_networks_that_take_the_guidance_as_an_input_are_measured_too(takes_guidance: bool) -> None:
    large, small = (a_network(takes_guidance=takes_guidance) for _ in range(2))
    model = models.open_model("builtin://shapes/large")
    pair = Pair(model, large, small, a_text_encoder(), a_decoder())
    measured = costs(pair, PLAN)
    points = measure(pair, PLAN, measured=measured, progress=lambda: None)
    assert [point.split for point in points] == [0, 25]
    assert points[-1].latent_distance == 0.0


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    points = [
        Point(
            split=split,
            noise_level=0.5,
            cloud_milliseconds=1.0,
            device_milliseconds=1.0,
            saving=1 - split / 25,
            psnr_decibels=None,
            latent_distance=0.1,
            stored=None,
        )
        for split in (0, 25)
    ]
    chart.draw(points, title="shapes", path=tmp_path / "new" / "curve.png")
    assert (tmp_path / "new" / "curve.png").read_bytes().startswith(b"\x89PNG")
