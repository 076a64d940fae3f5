"""A prior of [0, 1] images among [-1, 1] ones."""

from __future__ import annotations

import torch

from mapga.priors import GaussianPrior, UnitRangePrior
from mapga.priors.base import expand_sigma


class Shrinks(GaussianPrior):
    """D01(z, s) = z / (1 + s^2), C01(z, s) = z / (1 + s)."""

    def denoise(self, x, sigma):
        return x / (1 + expand_sigma(sigma, x).square())

    def consistency(self, x, sigma):
        return x / (1 + expand_sigma(sigma, x))


def wrapped() -> UnitRangePrior:
    return UnitRangePrior(Shrinks(torch.zeros(1, 1, 1), torch.eye(1)))


def test_known_answer():
    x = torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64)
    assert wrapped().denoise(x, 2.0).item() == -0.25
    assert wrapped().consistency(x, 2.0).item() == -0.25
    assert wrapped().denoise(x, torch.tensor([2.0])).item() == -0.25


def test_levels_double_and_the_score_is_that_of_the_stretched_density():
    prior = UnitRangePrior(GaussianPrior(torch.full((1, 1, 1), 0.5), 0.04 * torch.eye(1)))
    same = GaussianPrior(torch.zeros(1, 1, 1), 0.16 * torch.eye(1), sigma_min=0.004)
    x = torch.tensor([0.3, -2.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    assert (prior.sigma_min, prior.sigma_max) == (0.004, float("inf"))
    for sigma in (0.01, 1.0, torch.tensor([0.5, 20.0])):
        torch.testing.assert_close(prior.score(x, sigma), same.score(x, sigma), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(prior.consistency(x, sigma), same.consistency(x, sigma), rtol=1e-7, atol=1e-9)
    moved = prior.to("cpu", torch.float32)
    assert moved.denoise(x.float(), 1.0).dtype == torch.float32
