r"""Whether truths look like one more sample: ranks among K samples, which are even over 0..K where samples are exact.

A rank is that of a number: a projection (simulation-based calibration), the distance to a point chosen without looking
(TARP), or the exact log density (highest-density regions). All are read in one way.

Sources: Talts et al., "Validating Bayesian inference algorithms with simulation-based calibration", 2018, arXiv
1804.06788; Lemos et al. (TARP), 2023, arXiv 2302.03026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = ["ChiSquare", "Coverage", "chi_square", "coverage", "density_ranks", "distance_ranks", "projection_ranks"]


@dataclass(frozen=True)
class Coverage:
    """How many truths a region of some mass held.

    Attributes:
        level: The mass that it should have, in (0, 1).
        share: Of the truths inside.
        error: Standard error of the share if it were ``level``: beyond two of them samples are too narrow or too wide.
    """

    level: float
    share: float
    error: float


@dataclass(frozen=True)
class ChiSquare:
    """How even ranks are.

    Attributes:
        counts: Ranks in each bin.
        reduced: Pearson's statistic over its degrees of freedom, bins - 1: 1 on average where ranks are even.
        p: Of that test.
    """

    counts: list[int]
    reduced: float
    p: float


def projection_ranks(samples: Tensor, truth: Tensor, directions: Tensor) -> Tensor:
    """Ranks (B, P) of truths (B, C, H, W) among samples (B, K, C, H, W) along flat directions (P, n)."""
    return _ranks(samples.flatten(2) @ directions.T, truth.flatten(1) @ directions.T)


def distance_ranks(samples: Tensor, truth: Tensor, points: Tensor) -> Tensor:
    """Ranks (B,) of the truth's distance to points (B, C, H, W) that were chosen without a look at truth or samples."""
    near = (samples - points[:, None]).flatten(2).square().sum(2)
    return _ranks(near, (truth - points).flatten(1).square().sum(1))


def density_ranks(posterior: Exact, samples: Tensor, truth: Tensor) -> Tensor:
    """How many samples lie deeper than the truth, (B,): have a higher exact density p(x | y)."""
    densities = torch.stack([posterior.log_density(one) for one in samples.unbind(1)], 1)
    return _ranks(-densities, -posterior.log_density(truth))


def coverage(ranks: Tensor, samples: int, level: float) -> Coverage:
    """How many of the ranks (N,) lie in the lowest ``level`` of 0..K; one that the border cuts counts in part.

    Raises:
        ValueError: Fewer than two samples, or a level outside (0, 1).
    """
    _several(samples)
    if not 0 < level < 1:
        raise ValueError(f"level={level}: a region's mass lies between 0 and 1")
    inside = (level * (samples + 1) - ranks.double()).clamp(0, 1)
    return Coverage(level, float(inside.mean()), (level * (1 - level) / ranks.numel()) ** 0.5)


def chi_square(ranks: Tensor, samples: int, bins: int = 10) -> ChiSquare:
    """The test that independent ranks (N,) are even over 0..K; N at least 5 a bin.

    Raises:
        ValueError: Fewer than two samples, bins that have not one rank each, or too few ranks for them.
    """
    _several(samples)
    if not 2 <= bins <= samples + 1 or ranks.numel() < 5 * bins:
        raise ValueError(
            f"bins={bins}: {ranks.numel()} ranks among {samples} samples fill 2 to "
            f"{min(samples + 1, ranks.numel() // 5)} bins; give fewer bins or more images"
        )
    place = ranks.flatten() * bins // (samples + 1)
    found = torch.bincount(place, minlength=bins)
    width = torch.bincount(torch.arange(samples + 1) * bins // (samples + 1), minlength=bins).double()
    expected = ranks.numel() * width / (samples + 1)
    statistic = ((found - expected).square() / expected).sum()
    p = torch.special.gammaincc(torch.tensor((bins - 1) / 2, dtype=torch.float64), statistic / 2)
    return ChiSquare(found.tolist(), float(statistic) / (bins - 1), float(p))


def _ranks(samples: Tensor, truth: Tensor) -> Tensor:
    """How many of (B, K, ...) are below (B, ...), int64."""
    return (samples < truth[:, None]).sum(1)


def _several(samples: int) -> None:
    if samples < 2:
        raise ValueError(f"samples={samples}: a spread takes at least 2 samples of each measurement")
