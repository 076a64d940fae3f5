r"""Which differences between methods are more than the luck of the images: paired bootstrap, Holm, effect sizes.

All methods of a column restored the same images, so one resampling of the images serves them all: with counts W
(resamples, n) and numbers X (n, methods), the resampled means are W X / n, and those of a pair's difference are
differences of its columns.

Sources: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics, 1979 (percentile intervals);
Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics, 1979; Cohen,
"Statistical power analysis for the behavioral sciences", 1988 (d_z).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mapga.metrics.statistics import resampled_counts

__all__ = ["RESAMPLES", "Column", "Comparison", "Pair", "compare", "holm"]

RESAMPLES = 5000
LEVEL = 0.95


@dataclass(frozen=True)
class Pair:
    """Two methods on the same images.

    Attributes:
        first, second: Their places in the column.
        difference: Mean of first - second over the n images that both have.
        low, high: Its paired bootstrap interval.
        p: Two-sided bootstrap p-value, corrected by Holm's procedure over the pairs of the column.
        effect: d_z, the mean difference over the standard deviation of the differences; NaN if that is 0.
        wins: Share of the images on which first is better; ties count half.
        n: Images.
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

    @property
    def tied(self) -> bool:
        """Whether the interval covers 0."""
        return self.low <= 0 <= self.high

    @property
    def stars(self) -> str:
        return "**" if self.p < 0.01 else "*" if self.p < 0.05 else ""


@dataclass(frozen=True)
class Column:
    """Numbers of one metric, (n images, methods), NaN where a method has none of an image, and its direction."""

    values: np.ndarray
    lower_is_better: bool

    @property
    def whole(self) -> bool:
        return bool(np.isfinite(self.values).all())

    @property
    def couples(self) -> list[tuple[int, int]]:
        """The pairs of methods that share an image."""
        there = np.isfinite(self.values)
        pairs = itertools.combinations(range(self.values.shape[1]), 2)
        return [(a, b) for a, b in pairs if (there[:, a] & there[:, b]).any()]

    def blocks(self) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """What has to be resampled, with where it is there: the numbers, and the differences if numbers are missing."""
        if self.whole:
            return [(self.values, None), (self.values[:, :0], None)]
        there, first, second = np.isfinite(self.values), [a for a, _ in self.couples], [b for _, b in self.couples]
        both = there[:, first] & there[:, second]
        gaps = np.where(both, self.values[:, first] - self.values[:, second], 0.0)
        return [(np.where(there, self.values, 0.0), there), (gaps, both)]


@dataclass(frozen=True)
class Comparison:
    """A column: the interval of each method's mean (NaN without numbers), and every pair that shares images."""

    intervals: list[tuple[float, float]]
    pairs: list[Pair]

    def between(self, one: int, other: int) -> Pair | None:
        """The pair of two methods, whichever comes first."""
        wanted = (min(one, other), max(one, other))
        return next((pair for pair in self.pairs if (pair.first, pair.second) == wanted), None)


def compare(columns: Sequence[Column], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Comparison]:
    """Intervals of means and all paired differences of columns over the same images, in one pass of resampling.

    Args:
        columns: Numbers of the same n images.
        resamples: Bootstrap samples, >= 1.
        seed: The same values and seed give the same table.

    Raises:
        ValueError: Another shape, an infinite number, or no resamples.
    """
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: draw at least one bootstrap sample")
    if not columns:
        return []
    for column in columns:
        if column.values.ndim != 2 or np.isinf(column.values).any() or len(column.values) != len(columns[0].values):
            raise ValueError(
                f"numbers (images, methods) of the same images, without infinities, are compared, got shapes "
                f"{[one.values.shape for one in columns]}"
            )
    blocks = [block for column in columns for block in column.blocks()]
    drawn = iter(_resampled(blocks, len(columns[0].values), resamples, seed))
    return [_compared(column, next(drawn), next(drawn)) for column in columns]


def _compared(column: Column, means: np.ndarray, gaps: np.ndarray) -> Comparison:
    """``gaps`` are the resampled differences of the couples, or empty where those of the means will do."""
    if column.whole:
        gaps = np.stack([means[:, a] - means[:, b] for a, b in column.couples], axis=1) if column.couples else gaps
    pairs = [_pair(column, couple, gaps[:, k]) for k, couple in enumerate(column.couples)]
    corrected = holm([pair.p for pair in pairs])
    pairs = [replace(pair, p=p) for pair, p in zip(pairs, corrected, strict=True)]
    return Comparison([_ends(means[:, k]) for k in range(means.shape[1])], pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: family-wise error over all of them, in their order."""
    corrected = [1.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected


def _pair(column: Column, couple: tuple[int, int], drawn: np.ndarray) -> Pair:
    first, second = column.values[:, couple[0]], column.values[:, couple[1]]
    gap = (first - second)[np.isfinite(first) & np.isfinite(second)]
    drawn = drawn[np.isfinite(drawn)]
    low, high = _ends(drawn)
    spread = float(gap.std(ddof=1)) if len(gap) > 1 else 0.0
    better = gap < 0 if column.lower_is_better else gap > 0
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Pair(
        *couple,
        difference=float(gap.mean()),
        low=low,
        high=high,
        p=float(min(1.0, 2 * (1 + beyond) / (1 + len(drawn)))),
        effect=float(gap.mean()) / spread if spread > 0 else float("nan"),
        wins=float(better.mean() + (gap == 0).mean() / 2),
        n=len(gap),
    )


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled(
    blocks: Sequence[tuple[np.ndarray, np.ndarray | None]], n: int, resamples: int, seed: int
) -> list[np.ndarray]:
    """Means of each block's columns over resampled images, (resamples, columns); NaN where a sample has no number."""
    means = [np.full((resamples, values.shape[1]), np.nan) for values, _ in blocks]
    start = 0
    for counts in resampled_counts(n, resamples, seed):
        stop = start + len(counts)
        for out, (values, there) in zip(means, blocks, strict=True):
            weights = n if there is None else counts @ there.astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                out[start:stop] = counts @ values / weights
        start = stop
    return means
