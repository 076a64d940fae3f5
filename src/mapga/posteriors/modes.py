r"""The highest point of f(x) = sum_k w_k exp(-|x - m_k|^2 / 2), found by ascent and certified where a bound allows.

Every stationary point is x = sum_k r_k(x) m_k, r_k(x) the responsibilities, so a point is its shares of the means and
all distances follow from those D_jk between means, whatever the dimension. The ascent is x <- sum_k r_k(x) m_k (mean
shift, which is EM), from every mean.

The certificate. Let f* be the best found, and cell j the points where component j contributes most. There, at distance
rho from m_j, with q_jk(rho) = w_k / w_j exp(-D_jk^2 / 2 + rho D_jk),

    f(x) <= w_j exp(-rho^2 / 2) sum_k min(1, q_jk(rho)),

so a point of cell j above f* lies within some R_j of m_j. The Hessian of log f is Cov_r(m) - I, and Cov_r(m) is at most
sum_k r_k D_jk^2; if that is below 1 wherever |x - m_j| <= R_j, log f is strictly concave there and has one maximum at
most. Where the ascent from m_j ended inside, it is that one, and no better point is in the cell. All cells: certified.

Source of the ascent: Carreira-Perpinan, "Mode-finding for mixtures of Gaussian distributions", IEEE TPAMI 2000.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["highest"]

_MOST = 2000  # iterations; with overlapping components a thousand may be needed
_STILL = 1e-12  # change of a share in one of them
_GRID = 0.02  # of distances from a mean
_LEFT_OUT = 1e-10  # of the largest weight: components that all together weigh less are not looked at
_SLACK = 1e-9  # by which a bound may exceed the best found: rounding


def highest(log_weights: Tensor, squared_distances: Tensor) -> tuple[Tensor, bool]:
    """The shares (K,) of the means at the highest point found, and whether nothing is higher, beyond rounding.

    Args:
        log_weights: (K,).
        squared_distances: (K, K), of the means; float64 on the CPU.
    """
    order = log_weights.argsort(descending=True)
    weights = (log_weights[order] - log_weights.max()).exp()
    tails = weights.flip(0).cumsum(0).flip(0)
    kept = order[: max(1, int((tails > _LEFT_OUT).sum()))]
    left_out = float(weights.sum() - weights[: len(kept)].sum())
    weights, squares = weights[: len(kept)], squared_distances[kept][:, kept]

    ends, settled = _ascended(weights, squares)
    heights = (weights * (-_to_means(ends, squares) / 2).exp()).sum(1)
    best = int(heights.argmax())
    shares = torch.zeros_like(log_weights)
    shares[kept] = ends[best]
    reached = torch.where(settled, _to_means(ends, squares).diagonal().clamp(min=0).sqrt(), math.inf)
    return shares, _certified(weights, squares, reached, float(heights[best]), left_out)


def _to_means(shares: Tensor, squares: Tensor) -> Tensor:
    """|x - m_k|^2, (P, K), of points with these shares (P, K)."""
    toward = shares @ squares
    return toward - (toward * shares).sum(1, keepdim=True) / 2


def _ascended(weights: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """Where the ascent from every mean ends, as shares (K, K), and whether it is at rest there, bool (K,)."""
    shares = torch.eye(len(weights), dtype=weights.dtype)
    moving = torch.arange(len(weights))
    for _ in range(_MOST):
        before = shares[moving]
        after = torch.softmax(weights.log() - _to_means(before, squares) / 2, 1)
        shares[moving] = after
        moving = moving[(after - before).abs().amax(1) > _STILL]
        if not len(moving):
            break
    settled = torch.ones(len(weights), dtype=torch.bool)
    settled[moving] = False
    return shares, settled


def _certified(weights: Tensor, squares: Tensor, reached: Tensor, best: float, left_out: float) -> bool:
    """Whether no cell has a better point; ``reached`` (K,): how far from its mean each ascent came to rest."""
    distances = squares.sqrt()
    wanted = best * (1 + _SLACK)
    for j, weight in enumerate(weights.tolist()):
        farthest = math.sqrt(2 * math.log(max(1.0, len(weights) * weight / max(wanted - left_out, 1e-300))))
        inner = torch.arange(0, farthest + _GRID, _GRID, dtype=weights.dtype)[:, None]
        outer = inner + _GRID
        ratios = weights / weight
        highest = (ratios.log() - squares[j] / 2 + outer * distances[j]).clamp(max=0).exp().sum(1)
        above = weight * (-inner[:, 0].square() / 2).exp() * highest + left_out > wanted
        if not bool(above.any()):
            continue
        radius = float(outer[above].max())
        if float(reached[j]) > radius or _spread(ratios, squares[j], radius) >= 1:
            return False
    return True


def _spread(ratios: Tensor, squares: Tensor, radius: float) -> float:
    """The most that sum_k r_k D_jk^2 can be within a distance of m_j.

    Unnormalised, r_k / r_j lies between ratio exp(-D^2 / 2 -+ radius D). Such a quotient of sums is largest with the
    upper end for the components beyond some distance and the lower end for the others.
    """
    order = squares.argsort(descending=True)
    far, ratios = squares[order], ratios[order]
    low, high = ((ratios.log() - far / 2 + sign * radius * far.sqrt()).exp() for sign in (-1, 1))
    upper = torch.cat([torch.zeros(1, dtype=far.dtype), (high * far).cumsum(0)])
    above = torch.cat([torch.zeros(1, dtype=far.dtype), high.cumsum(0)])
    lower, below = (low * far).sum(), low.sum()
    lows = lower - torch.cat([torch.zeros(1, dtype=far.dtype), (low * far).cumsum(0)])
    belows = below - torch.cat([torch.zeros(1, dtype=far.dtype), low.cumsum(0)])
    return float(((upper + lows) / (above + belows)).max())
