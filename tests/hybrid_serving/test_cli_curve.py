"""What `hybrid profile` computes: savings beside their inputs, quality only where it was measured alike."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_serving.cli import chart
from hybrid_serving.cli.curve import Costs, Plan, Point, stored

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
