from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hybrid_engines import macs  # noqa: E402
from hybrid_engines.train import classifier, denoiser, distil, networks, publish, training  # noqa: E402
from hybrid_engines.train.scenes import CONTEXT  # noqa: E402


def a_trainer(folder: Path, *, muon_lr: float | None = None) -> training.Trainer:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 1))
    return training.Trainer(module, lr=1e-2, checkpoint=folder / "line.pt", muon_lr=muon_lr)


def a_loss(trainer: training.Trainer) -> training.Loss:
    def loss(count: int, rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        x = training.normal((count, 4), rng=rng)
        error = (trainer.module(x) - x.sum(1, keepdim=True)).square().mean()
        return error, {"error": float(error.detach())}

    return loss


def test_a_budget_warms_up_and_runs_out_at_the_first_of_its_limits() -> None:
    budget = training.Budget(samples=1000, batch=10, seconds=50, warmup=0.1)
    assert budget.used(samples=500, seconds=10) == 0.5
    assert budget.used(samples=500, seconds=40) == 0.8
    assert budget.rate(0.0) == 0
    assert budget.rate(0.1) == pytest.approx(0.9755, abs=1e-3)
    assert budget.rate(1.0) == pytest.approx(0, abs=1e-9)


def test_orthogonal_updates_have_singular_values_near_one() -> None:
    matrix = torch.randn(16, 48, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(training.orthogonalize(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.4


@pytest.mark.parametrize("muon_lr", [None, 0.1])
def test_training_lowers_the_loss(tmp_path: Path, muon_lr: float | None) -> None:
    trainer = a_trainer(tmp_path, muon_lr=muon_lr)
    loss = a_loss(trainer)
    before = loss(512, np.random.default_rng(9))[1]["error"]
    training.run(trainer, budget=training.Budget(samples=4096, batch=16), loss=loss)
    assert loss(512, np.random.default_rng(9))[1]["error"] < 0.1 * before


def test_parts_give_the_gradient_of_their_mean(tmp_path: Path) -> None:
    trainer = a_trainer(tmp_path)
    loss = a_loss(trainer)
    found, _ = training.Gradients(trainer.parameters, loss=loss, parts=2, part=8)(5)
    alone = [torch.autograd.grad(loss(8, np.random.default_rng((5, i)))[0], trainer.parameters) for i in range(2)]
    for got, *wanted in zip(found, *alone, strict=True):
        assert torch.allclose(got, sum(wanted) / 2, atol=1e-6)


def test_a_resumed_trainer_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = a_trainer(tmp_path)
    training.run(first, budget=training.Budget(samples=64, batch=8), loss=a_loss(first))
    second = a_trainer(tmp_path)
    assert (second.steps, second.samples) == (first.steps, 64)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True))


def test_the_small_network_starts_as_blocks_of_the_large_one() -> None:
    large, small = networks.large_unet(), networks.small_unet()
    distil.inherit(small, large)
    mine, theirs = small.down_blocks[0].attentions[0], large.down_blocks[0].attentions[0]
    assert torch.equal(mine.proj_in.weight, theirs.proj_in.weight)
    last, its_source = small.up_blocks[1].resnets[1], large.up_blocks[1].resnets[2]
    assert torch.equal(last.conv1.weight, its_source.conv1.weight)


def test_the_small_network_is_trained_only_behind_the_handoff() -> None:
    levels = distil.draw_levels(1000, rng=np.random.default_rng(0))
    assert levels.min() >= 0
    assert levels.max() < distil.HANDOFF_LEVEL < denoiser.LEVELS


def test_a_step_of_the_small_network_costs_at_most_half_of_a_large_one() -> None:
    latent = torch.zeros(1, networks.LATENT_CHANNELS, networks.LATENT_SIZE, networks.LATENT_SIZE)
    row = latent, torch.zeros(1), torch.zeros(1, CONTEXT, networks.TEXT_WIDTH)
    small, large = (macs.count(unet, row).macs for unet in (networks.small_unet(), networks.large_unet()))
    assert small <= 0.5 * large


def test_the_preview_map_recovers_a_linear_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(16, 4, 2, 2, generator=generator)
    matrix, bias = torch.randn(3, 4, generator=generator), torch.tensor([0.1, 0.2, 0.3])
    small = torch.einsum("rc,nchw->nrhw", matrix, latents) + bias[:, None, None]
    preview = publish.fit_preview(latents, small.repeat_interleave(8, 2).repeat_interleave(8, 3))
    assert torch.allclose(torch.tensor(preview.matrix), matrix, atol=1e-4)
    assert torch.allclose(torch.tensor(preview.bias), bias, atol=1e-4)


def test_the_frechet_distance_of_shifted_features_is_the_shift_squared() -> None:
    features = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
    assert classifier.frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert classifier.frechet(features, features + 2) == pytest.approx(24, rel=1e-3)


def test_a_background_that_nobody_asked_for_is_not_scored() -> None:
    wanted = np.array([[0, 0, 1, 1, 6, 6], [0, 0, 1, 1, 6, 6]])
    read = np.array([[2, 0, 1, 1, 6, 6], [2, 0, 1, 1, 6, 6]])
    right, reading = classifier.compare(read, wanted, scores_background=np.array([True, False]))
    assert right.tolist() == [False, True]
    assert reading.background == 0.5
