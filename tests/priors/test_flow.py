"""One Heun step of the probability flow, against arithmetic by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mapga.priors.base import expand_sigma
from mapga.priors.flow import heun_step


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """D of N(0, 1/4): x / (1 + 4 sigma^2)."""
    return x / (1 + 4 * expand_sigma(sigma, x).square())


def test_one_step_by_hand() -> None:
    """From 1 to 1/2 at x = 5: slope 4, Euler 3, there slope 3, x' = 5 - (4 + 3) / 4."""
    x = torch.full((1, 1, 1, 1), 5.0, dtype=torch.float64)
    assert float(heun_step(gaussian, x, torch.tensor([1.0]), torch.tensor([0.5]))) == pytest.approx(3.25, rel=1e-15)


def test_one_level_per_image() -> None:
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    start, end = torch.tensor([3.0, 1.0]).double(), torch.tensor([2.0, 0.5]).double()
    together = heun_step(gaussian, x, start, end)
    apart = [heun_step(gaussian, x[i : i + 1], start[i : i + 1], end[i : i + 1]) for i in range(2)]
    assert torch.equal(together, torch.cat(apart))


def test_gradients_flow() -> None:
    x = torch.randn(2, 1, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: heun_step(gaussian, z, torch.tensor([3.0]), torch.tensor([2.0])), x)
