"""The mathematics of the losses, the teacher's integration, the schedules, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mapga.datasets import Dataset
from mapga.priors.base import expand_sigma
from mapga.schedules import Karras
from mapga.training import TrainingConfig
from mapga.training.data import ImageSource, draw_affine, step_generator, warp
from mapga.training.loop import learning_rate
from mapga.training.objectives import ConsistencyLoss, DenoiserLoss, intervals, pseudo_huber
from mapga.training.sampling import sample_consistency, sample_heun
from mapga.training.trajectories import integrate, integrate_multistep

CPU = torch.device("cpu")
Solver = Callable[[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor], Tensor]


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """D of N(0, 1/4): x / (1 + 4 sigma^2)."""
    return x / (1 + 4 * expand_sigma(sigma, x).square())


def gaussian_flow(x: Tensor, start: float, end: float) -> Tensor:
    return x * ((0.25 + end**2) / (0.25 + start**2)) ** 0.5


@pytest.mark.parametrize("solver", [integrate, integrate_multistep])
def test_both_solvers_are_of_second_order(solver: Solver) -> None:
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, generator=step_generator(0, "x", 0))
    exact = gaussian_flow(x, 5.0, 0.002)
    errors = []
    for steps in (20, 40, 80):
        levels = Karras(sigma_max=5.0).levels(steps + 1)[:, None].expand(-1, 2)
        errors.append(float((solver(gaussian, x, levels)[-1] - exact).abs().max()))
    assert errors[0] / errors[1] > 3.4 and errors[1] / errors[2] > 3.4
    assert errors[2] < 2e-3


def test_samplers_share_their_start_and_reach_the_gaussian() -> None:
    like = torch.zeros(64, 1, 8, 8, dtype=torch.float64)
    heun = sample_heun(gaussian, like, 0, 60)

    def consistency(x: Tensor, sigma: Tensor) -> Tensor:
        return x * ((0.25 + 0.002**2) / (0.25 + expand_sigma(sigma, x).square())).sqrt()

    one, two = (sample_consistency(consistency, like, 0, steps) for steps in (1, 2))
    assert torch.allclose(one, heun, rtol=6e-3, atol=1e-6)
    assert float(two.std()) == pytest.approx(0.5, abs=0.02)


def test_pseudo_huber() -> None:
    d = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    d[1] = 1.5  # norm 3
    assert pseudo_huber(d, 4.0).tolist() == [0.0, 1.0]
    assert pseudo_huber(d, 0.0).tolist() == [0.0, 9.0]


def test_intervals_double_up_to_the_last() -> None:
    config = TrainingConfig("consistency", "c", grid_start=10, grid_end=80, grid_doubling=100)
    assert [intervals(config, step) for step in (0, 99, 100, 250, 300, 10**9)] == [10, 10, 20, 40, 80, 80]


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainingConfig("denoiser", "d", steps=100, warmup=10, decay=20, learning_rate=1.0)
    assert [learning_rate(config, step) for step in (0, 9, 10, 79, 80, 90, 99)] == pytest.approx(
        [0.1, 1, 1, 1, 1, 0.5, 0.05]
    )


def source(dataset: Dataset, process: int = 0, processes: int = 1) -> ImageSource:
    return ImageSource(dataset, seed=5, augment=6.0, flip=True, process=process, processes=processes)


def test_the_denoiser_loss_of_the_best_network_is_the_smallest(micro: TrainingConfig, blobs: Dataset) -> None:
    loss = DenoiserLoss(replace(micro, batch=256), source(blobs), CPU)
    at_rest = float(loss(lambda x, t: torch.zeros_like(x), lambda x, t: x, 0))
    off = float(loss(lambda x, t: torch.ones_like(x), lambda x, t: x, 0))
    assert 0 < at_rest < off and off - at_rest > 0.5


def test_consistency_losses_vanish_for_the_exact_answer(micro: TrainingConfig, blobs: Dataset) -> None:
    """For N(0, 1/4) the exact C is linear in x, so a raw network that gives it must have no loss."""

    def exact(scaled: Tensor, time: Tensor) -> Tensor:
        sigma = (time / 250).exp().reshape(-1, 1, 1, 1)
        spread = (sigma.square() + 0.25).sqrt()
        skip = 0.25 / ((sigma - 0.002).square() + 0.25)
        wanted = ((0.25 + 0.002**2) / spread.square()).sqrt()
        return (wanted - skip) * scaled * spread / ((sigma - 0.002) * 0.5 / spread).clamp(min=1e-9)

    config = replace(
        micro, stage="distillation", batch=16, huber=0.0, trajectory_fraction=0.5, trajectory_steps=400, grid_start=400
    )
    loss = ConsistencyLoss(replace(config, grid_end=400), source(blobs), CPU, gaussian)
    wrong = float(loss(lambda x, t: torch.zeros_like(x), exact, 0))
    assert float(loss(exact, exact, 0)) < 1e-4 * wrong


def test_the_target_network_gets_no_gradient(micro: TrainingConfig, blobs: Dataset) -> None:
    weight, lower = torch.ones((), requires_grad=True), torch.ones((), requires_grad=True)
    loss = ConsistencyLoss(replace(micro, stage="consistency"), source(blobs), CPU, None)
    loss(lambda x, t: weight * x, lambda x, t: lower * x, 0).backward()
    assert weight.grad is not None and lower.grad is None


@pytest.mark.parametrize("what", ["images", "noise"])
def test_two_processes_share_the_batch_of_one(what: str, blobs: Dataset) -> None:
    def draw(process: int, processes: int) -> Tensor:
        part = source(blobs, process, processes)
        return part.images(3, 8) if what == "images" else part.normal(8, step_generator(5, "noise", 3))

    assert torch.equal(torch.cat([draw(0, 2), draw(1, 2)]), draw(0, 1))
    with pytest.raises(ValueError, match="pool of 8 cannot be shared evenly by 3 processes"):
        draw(0, 3)


def test_affine_maps_are_small_and_sometimes_the_identity() -> None:
    maps = draw_affine(400, 32, 6.0, step_generator(0, "a", 0))
    identity = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    share = (maps == identity).flatten(1).all(1).double().mean()
    assert 0.15 < float(share) < 0.35
    assert float((maps - identity).abs().max()) < 0.25
    images = torch.rand(4, 1, 32, 32) * 2 - 1
    assert torch.allclose(warp(images, identity.expand(4, 2, 3)), images, atol=1e-5)


def test_black_is_what_lies_outside() -> None:
    shift = torch.tensor([[[1.0, 0, 1.0], [0, 1, 0]]])
    moved = warp(torch.ones(1, 1, 8, 8), shift)
    assert float(moved[..., -1].max()) == -1
