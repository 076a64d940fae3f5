r"""Which differences between methods are more than the luck of the images: paired tests, Holm, effect sizes.

All methods of a column restored the same images, so one resampling of the images serves them all. ``metrics.paired``
has the test; the interval of a method's own mean is the percentile bootstrap's.

Sources: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics, 1979 (percentile intervals);
Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics, 1979; Cohen,
"Statistical power analysis for the behavioral sciences", 1988 (d_z).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mapga.metrics.paired import RESAMPLES, Tested, paired_tests, smallest_p
from mapga.metrics.statistics import resampled_counts

__all__ = ["Column", "Comparison", "Pair", "compare", "holm", "skewed", "starless"]

LEVEL = 0.95
SIGNIFICANT, SURE = 0.05, 0.01
_PER_PAIR = 200  # resamples for each pair of a column: Holm multiplies the smallest p-value by their number
_SKEWED = 0.4  # skewness / sqrt(n) from which the test is wrong more often than it says: experiments/paired_tests


@dataclass(frozen=True)
class Pair:
    """Two methods on the same images.

    Attributes:
        first, second: Their places in the column.
        difference: Mean of first - second over the n images that both have.
        low, high: Its bootstrap-t interval; infinite where n is too small for one.
        p: Two-sided p-value of ``paired_tests``, corrected by Holm's procedure over the pairs of the column.
        effect: d_z, the mean difference over the standard deviation of the differences; NaN if that is 0.
        wins: Share of the images on which first is better; ties count half.
        n: Images.
        skewed: Whether the differences are so skewed, for n images, that p is too small.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    effect: float
    wins: float
    n: int
    skewed: bool = False

    @property
    def tied(self) -> bool:
        """Whether the corrected test cannot tell them apart."""
        return self.p >= SIGNIFICANT

    @property
    def stars(self) -> str:
        return "**" if self.p < SURE else "*" if self.p < SIGNIFICANT else ""


@dataclass(frozen=True)
class Column:
    """Numbers of one metric, NaN where a method has none of an image, and its direction.

    Attributes:
        values: (n images, methods), or with repeats (seeds, n images, methods).
        lower_is_better: The direction.
        against: The place of the one method that all others are compared with; None: all with all. Said before
            numbers are seen, fewer comparisons are corrected less.
    """

    values: np.ndarray
    lower_is_better: bool
    against: int | None = None

    @property
    def n(self) -> int:
        """Images."""
        return int(self.values.shape[-2])

    @cached_property
    def seeds(self) -> np.ndarray:
        """(seeds, n, methods)."""
        return self.values if self.values.ndim == 3 else self.values[None]

    @cached_property
    def images(self) -> np.ndarray:
        """(n, methods), each image's mean over the seeds that a method has of it."""
        return _mean(self.seeds)

    @cached_property
    def couples(self) -> list[tuple[int, int]]:
        """The pairs of methods that are compared, and share an image of one seed."""
        there = np.isfinite(self.seeds)
        pairs = itertools.combinations(range(self.seeds.shape[2]), 2)
        wanted = (pair for pair in pairs if self.against is None or self.against in pair)
        return [(a, b) for a, b in wanted if (there[:, :, a] & there[:, :, b]).any()]

    @cached_property
    def gaps(self) -> np.ndarray:
        """First minus second of each couple, (n, couples), the mean over the seeds that both have; NaN without any."""
        first, second = [a for a, _ in self.couples], [b for _, b in self.couples]
        return _mean(self.seeds[:, :, first] - self.seeds[:, :, second])


@dataclass(frozen=True)
class Comparison:
    """A column: the interval of each method's mean (NaN without numbers), and every pair that is compared."""

    intervals: list[tuple[float, float]]
    pairs: list[Pair]

    def between(self, one: int, other: int) -> Pair | None:
        """The pair of two methods, whichever comes first."""
        wanted = (min(one, other), max(one, other))
        return next((pair for pair in self.pairs if (pair.first, pair.second) == wanted), None)


def compare(columns: Sequence[Column], *, seed: int = 0) -> list[Comparison]:
    """Intervals of means and paired differences of columns over the same images, by the same resamplings.

    What is resampled are images: an image's number is its mean over seeds, its difference between two methods the mean
    over the seeds that both have.

    Args:
        columns: Numbers of the same n images.
        seed: The same values and seed give the same table.

    Raises:
        ValueError: Another shape, or an infinite number.
    """
    if not columns:
        return []
    for column in columns:
        if column.values.ndim not in (2, 3) or np.isinf(column.values).any() or column.n != columns[0].n:
            raise ValueError(
                f"numbers (images, methods) of the same images, without infinities, are compared, got shapes "
                f"{[one.values.shape for one in columns]}"
            )
    gaps = [column.gaps for column in columns]
    resamples = max(RESAMPLES, _PER_PAIR * max(one.shape[1] for one in gaps))
    tested = paired_tests(gaps, resamples=resamples, seed=seed)
    return [
        Comparison(intervals, _pairs(column, one))
        for column, one, intervals in zip(columns, tested, _intervals(columns, seed), strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: family-wise error over all of them, in their order."""
    corrected = [1.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected


def starless(pairs: Sequence[Pair]) -> bool:
    """Whether the pairs of a column share so few images that no difference can be significant, however large."""
    return bool(pairs) and smallest_p(max(pair.n for pair in pairs)) * len(pairs) >= SIGNIFICANT


def skewed(gap: np.ndarray) -> bool:
    """Whether gaps (n,) are so skewed that their test is wrong clearly more often than it says."""
    centred = gap - gap.mean()
    spread = float((centred**2).mean())
    return spread > 0 and abs(float((centred**3).mean())) / spread**1.5 > _SKEWED * len(gap) ** 0.5


def _pairs(column: Column, tested: Tested) -> list[Pair]:
    gaps, corrected = column.gaps, holm(tested.p.tolist())
    return [
        _pair(column, couple, gaps[:, k], corrected[k], float(tested.half_width[k]))
        for k, couple in enumerate(column.couples)
    ]


def _pair(column: Column, couple: tuple[int, int], gap: np.ndarray, p: float, half_width: float) -> Pair:
    gap = gap[np.isfinite(gap)]
    mean, spread = float(gap.mean()), float(gap.std(ddof=1)) if len(gap) > 1 else 0.0
    better = gap < 0 if column.lower_is_better else gap > 0
    return Pair(
        *couple,
        difference=mean,
        low=mean - half_width,
        high=mean + half_width,
        p=p,
        effect=mean / spread if spread > 0 else float("nan"),
        wins=float(better.mean() + (gap == 0).mean() / 2),
        n=len(gap),
        skewed=skewed(gap),
    )


def _intervals(columns: Sequence[Column], seed: int) -> list[list[tuple[float, float]]]:
    """The percentile interval of each method's mean, a list a column; NaN without numbers."""
    there = [np.isfinite(column.images) for column in columns]
    drawn: list[list[np.ndarray]] = [[] for _ in columns]
    for counts in resampled_counts(columns[0].n, RESAMPLES, seed):
        for column, known, parts in zip(columns, there, drawn, strict=True):
            with np.errstate(invalid="ignore", divide="ignore"):
                parts.append(counts @ np.where(known, column.images, 0.0) / (counts @ known.astype(np.float64)))
    return [[_ends(means) for means in np.concatenate(parts).T] if parts else [] for parts in drawn]


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(there, values, 0.0).sum(axis=0) / there.sum(axis=0)
    return mean


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
