"""Spread of several samples of each measurement beside that of its exact posterior; ranks of the truth among them.

Samples are scored as stored, in 8 bits, which adds 5.1e-6 to a pixel's variance. Ranks of truths mean something where
truths are draws of the prior (``dataset=from_prior``).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mapga.card import MetricCard
from mapga.lazy import torch
from mapga.metrics.sampled import Sampled, SpreadMetric, SpreadScore
from mapga.posteriors.ranks import chi_square, coverage, density_ranks, distance_ranks, projection_ranks
from mapga.posteriors.spread import energy_distance, mode_weights_distance, sliced_wasserstein, variance_ratio
from mapga.rng import standard_normal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CoverageOfDensity",
    "DistanceRanks",
    "EnergyDistance",
    "ModeWeightsDistance",
    "ProjectionRanks",
    "SlicedWasserstein",
    "VarianceRatio",
]

_FLOOR = "what as many exact samples score"
_BINS = 10


@cache
def _directions(count: int, n: int) -> Tensor:
    """Flat directions of unit length: the mean of all values, then random ones, always the same."""
    drawn = standard_normal(0, "directions", range(count), (n,)).double()
    drawn[0] = 1
    return drawn / drawn.norm(dim=1, keepdim=True)


class VarianceRatio(SpreadMetric):
    """Variance of the samples over that of the posterior, mean over measurements; 1 for exact ones."""

    card = MetricCard(
        digits=3, order=20, check=True, ordered=False, floor=_FLOOR, titles={"variance_ratio": "Variance ratio"}
    )
    name = "variance_ratio"

    def number(self, one: Sampled) -> Sequence[float]:
        return [float(variance_ratio(one.posterior, one.samples))]


class ModeWeightsDistance(SpreadMetric):
    """Total variation between the components' weights in the samples and in the posterior, 0..1."""

    card = MetricCard(digits=3, order=21, floor=_FLOOR, titles={"mode_weights_tv": "Mode weights (TV)"})
    name = "mode_weights_tv"

    def number(self, one: Sampled) -> Sequence[float]:
        return [float(mode_weights_distance(one.posterior, one.samples))]


class EnergyDistance(SpreadMetric):
    """Between the samples and as many exact ones; 0 on average for exact ones."""

    card = MetricCard(digits=3, order=22, floor=_FLOOR, titles={"energy_distance": "Energy distance"})
    name = "energy_distance"

    def number(self, one: Sampled) -> Sequence[float]:
        return [float(energy_distance(one.samples, one.exact))]


class SlicedWasserstein(SpreadMetric):
    """Sliced Wasserstein-2 distance between the samples and as many exact ones; to be read beside the floor.

    Args:
        directions: How many, >= 1.
    """

    card = MetricCard(digits=3, order=23, floor=_FLOOR, titles={"sliced_wasserstein": "Sliced Wasserstein"})
    name = "sliced_wasserstein"

    def __init__(self, directions: int = 64) -> None:
        self.directions = _positive("directions", directions)

    def number(self, one: Sampled) -> Sequence[float]:
        along = _directions(self.directions, one.truth.numel())
        return [float(sliced_wasserstein(one.samples, one.exact, along))]


class CoverageOfDensity(SpreadMetric):
    """Share of truths in the region of highest density that should hold ``level`` of them, by ranks of p(x | y).

    Below the level: samples are too near the modes, so that truths lie outside.

    Args:
        level: In per cent, 1..99.
    """

    card = MetricCard(
        digits=3,
        order=24,
        check=True,
        ordered=False,
        floor=_FLOOR,
        titles={f"coverage_{level}": f"Coverage {level} %" for level in (50, 80, 95)},
    )
    lower_is_better = False

    def __init__(self, level: int = 50) -> None:
        if not 0 < level < 100:
            raise ValueError(f"level={level}: a region holds 1 to 99 per cent")
        self.level, self.name = level, f"coverage_{level}"

    def number(self, one: Sampled) -> Sequence[float]:
        ranks = density_ranks(one.posterior, one.samples, one.truth)
        return [coverage(ranks, one.count, self.level / 100).share]


class _Ranks(SpreadMetric):
    """Reduced chi-square of ranks against even ones, mean over what is ranked: 1 for exact samples.

    The interval is that of a non-central chi-square, value +- 1.96 sqrt(2 (2 value - 1) / (bins - 1)), as if all
    ranks of a measurement were the same. The histograms are kept beside it.
    """

    @abstractmethod
    def number(self, one: Sampled) -> Sequence[float]:
        """The ranks of one truth, 0..K."""

    def score(self, numbers: np.ndarray, samples: int) -> SpreadScore:
        bins = min(_BINS, samples + 1, len(numbers) // 5)
        if bins < 2:
            note = f"{self.name}: {len(numbers)} measurements; ranks are told from even ones by 10 or more"
            return SpreadScore(math.nan, math.nan, math.nan, notes=(note,))
        found = [chi_square(torch.from_numpy(column), samples, bins) for column in numbers.T.astype(np.int64)]
        value = float(np.mean([one.reduced for one in found]))
        half = 1.96 * math.sqrt(2 * max(1.0, 2 * value - 1) / (bins - 1))
        p = min(1.0, min(one.p for one in found) * len(found))
        more = {"histograms": [one.counts for one in found], "p": p}
        return SpreadScore(value, max(0.0, value - half), value + half, more=more)


class ProjectionRanks(_Ranks):
    """Of the truth among the samples, along fixed directions: simulation-based calibration.

    Args:
        directions: How many, >= 1; the first is the mean of all values.
    """

    card = MetricCard(digits=2, order=27, floor=_FLOOR, titles={"projection_ranks": "Ranks by projections"})
    name = "projection_ranks"

    def __init__(self, directions: int = 4) -> None:
        self.directions = _positive("directions", directions)

    def number(self, one: Sampled) -> Sequence[float]:
        along = _directions(self.directions, one.truth.numel())
        return [float(rank) for rank in projection_ranks(one.samples, one.truth, along)[0]]


class DistanceRanks(_Ranks):
    """Of the truth's distance to a point chosen without looking, N(0, 1) in every value, among the samples': TARP."""

    card = MetricCard(digits=2, order=28, floor=_FLOOR, titles={"distance_ranks": "Ranks by distance"})
    name = "distance_ranks"

    def number(self, one: Sampled) -> Sequence[float]:
        point = standard_normal(0, "points", [one.index], one.truth.shape[1:]).double()
        return [float(distance_ranks(one.samples, one.truth, point))]


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}={value}: at least 1 is looked along")
    return value
