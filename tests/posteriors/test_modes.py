"""The best mode of small mixtures against exhaustive grids, and what its certificate is worth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mapga.posteriors.modes import highest

F64 = torch.float64


def height(x: Tensor, weights: Tensor, means: Tensor) -> Tensor:
    """f at points x (P, n)."""
    return (weights * (-(x[:, None] - means).square().sum(-1) / 2).exp()).sum(1)


def found(weights: Tensor, means: Tensor) -> tuple[Tensor, bool]:
    """The best point (1, n), and whether it is certified."""
    shares, certified = highest(weights.log(), torch.cdist(means, means).square())
    assert float(shares.sum()) == pytest.approx(1)
    return shares[None] @ means, certified


def best_of_grid(weights: Tensor, means: Tensor) -> float:
    low, high = means.min(0).values, means.max(0).values
    axes = [torch.linspace(float(a), float(b), 101, dtype=F64) for a, b in zip(low, high, strict=True)]
    return float(height(torch.cartesian_prod(*axes).reshape(-1, means.shape[1]), weights, means).max())


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0, 4.0, 8.0])
def test_no_point_of_a_grid_is_higher_than_what_is_certified(spread: float):
    certified = 0
    for seed in range(12):
        generator = torch.manual_seed(seed)
        means = spread * torch.randn(5, 2, dtype=F64, generator=generator)
        weights = torch.rand(5, dtype=F64, generator=generator) ** 3 + 1e-3
        x, sure = found(weights, means)
        certified += sure
        if sure:
            assert float(height(x, weights, means)) >= best_of_grid(weights, means) * (1 - 1e-9)
    # close together: one mode; far apart: one each; between, the bound decides little
    assert certified >= {0.3: 12, 1.0: 1, 2.0: 2, 4.0: 8, 8.0: 11}[spread]


def test_a_crowd_of_flanks_is_not_certified():
    means = 1.2 * torch.tensor([[0.0, 1.0], [0.75**0.5, -0.5], [-(0.75**0.5), -0.5]], dtype=F64)
    x, certified = found(torch.ones(3, dtype=F64), means)
    assert float(x.abs().max()) < 1e-3 and not certified  # their highest point is the middle, where no mean is


def test_it_is_where_weight_gathers_not_at_the_heaviest_component():
    means = torch.tensor([[0.0], [6.0], [6.3], [6.6]], dtype=F64)
    weights = torch.tensor([1.0, 0.6, 0.6, 0.6], dtype=F64)
    x, certified = found(weights, means)
    assert abs(float(x) - 6.3) < 1e-6 and certified


def test_a_single_component_and_negligible_ones():
    assert found(torch.ones(1, dtype=F64), torch.zeros(1, 3, dtype=F64))[1]
    weights = torch.tensor([1.0, 1e-14, 1e-13], dtype=F64)
    x, certified = found(weights, 3 * torch.eye(3, dtype=F64))
    assert certified and float(x[0, 0]) == pytest.approx(3)
