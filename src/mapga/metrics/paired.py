r"""Whether two methods differ on the same images: a paired test that keeps its level, and an interval. numpy only.

For the gaps g_i of n images two tests of a mean of zero are made, and the larger of their p-values counts:

* sign flips: under no difference g_i and -g_i are as likely if gaps are symmetric; the share of sign vectors s with
  \|sum s_i g_i\| >= \|sum g_i\|, of all 2^n of them where that is no more than the resamples
* studentised bootstrap: t = mean / se; the share of resampled centred gaps whose \|t*\| >= \|t\|

The first is exact for symmetric gaps whatever n; the second knows skewness. ``experiments/paired_tests`` measures how
often the pair of them is wrong.

Sources: Fisher, "The design of experiments", 1935 (sign flips); Efron, Tibshirani, "An introduction to the bootstrap",
1993, chapter 12 (bootstrap-t); Phipson, Smyth, "Permutation p-values should never be zero", 2010 (the + 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mapga.metrics.statistics import resampled_counts

__all__ = ["RESAMPLES", "Tested", "paired_tests", "smallest_p"]

RESAMPLES = 5000
LEVEL = 0.95
_CHUNK = 1 << 22  # signs held at once
_EQUAL = 1 - 1e-9  # sums of the same numbers in another order are equal


@dataclass(frozen=True)
class Tested:
    """What is said of k columns of gaps, each float64 (k,).

    Attributes:
        by_sign_flips, by_bootstrap: Two-sided p-values of a mean of zero, not corrected for the number of tests.
        half_width: Of the symmetric bootstrap-t interval of the mean; infinite where n is too small for one.
    """

    by_sign_flips: np.ndarray
    by_bootstrap: np.ndarray
    half_width: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """The larger of the two."""
        return np.maximum(self.by_sign_flips, self.by_bootstrap)


def paired_tests(gaps: Sequence[np.ndarray], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Tested]:
    """Test several sets of gaps over the same n images, with the same resamplings.

    Args:
        gaps: Each (n, k), NaN where an image has none; every column has at least one.
        resamples: Sign vectors and bootstrap samples, >= 1.
        seed: The same gaps and seed give the same numbers.

    Raises:
        ValueError: Another shape, an infinite gap, a column without any, or no resamples.
    """
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: draw at least one bootstrap sample")
    columns = [_Gaps.of(one) for one in gaps]
    if not columns:
        return []
    n = len(columns[0].gap)
    if any(len(one.gap) != n for one in columns):
        raise ValueError(f"gaps of the same images are tested together, got {[len(one.gap) for one in columns]} images")
    if not any(one.gap.size for one in columns):
        return [Tested(np.empty(0), np.empty(0), np.empty(0)) for _ in columns]
    beyond = [np.zeros(one.gap.shape[1]) for one in columns]
    exact = 2**n <= resamples
    for signs in _signs(n, None if exact else resamples, seed):
        for one, count in zip(columns, beyond, strict=True):
            count += (np.abs(signs @ one.gap) >= np.abs(one.gap.sum(0)) * _EQUAL).sum(0)
    flipped = [count / 2**n if exact else (1 + count) / (1 + resamples) for count in beyond]

    drawn: list[list[np.ndarray]] = [[] for _ in columns]
    for counts in resampled_counts(n, resamples, seed):
        for one, parts in zip(columns, drawn, strict=True):
            parts.append(one.resampled(counts))
    return [_tested(one, p, np.concatenate(parts)) for one, p, parts in zip(columns, flipped, drawn, strict=True)]


def smallest_p(n: int, resamples: int = RESAMPLES) -> float:
    """The smallest p-value that n images can give: 2^(1-n) by sign flips, no less than resampling can tell."""
    return max(2.0 ** (1 - n), 1 / (1 + resamples))


@dataclass(frozen=True)
class _Gaps:
    """Gaps with zeros where there are none, where they are, and their mean, standard error and t, each (k,)."""

    gap: np.ndarray
    there: np.ndarray
    mean: np.ndarray
    se: np.ndarray
    t: np.ndarray

    @classmethod
    def of(cls, gaps: np.ndarray) -> _Gaps:
        there = ~np.isnan(gaps)
        if gaps.ndim != 2 or np.isinf(gaps).any() or not there.any(0).all():
            raise ValueError(f"finite gaps (images, pairs), some in each column, are tested, got shape {gaps.shape}")
        gap, n = np.where(there, gaps, 0.0), there.sum(0)
        mean = gap.sum(0) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            se = np.sqrt((np.where(there, gaps - mean, 0.0) ** 2).sum(0) / (n * (n - 1)))
            t = np.abs(mean / se)
        return cls(gap, there.astype(np.float64), mean, se, t)

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        r"""\|t*\| of bootstrap samples of the centred gaps, float32 (samples, k); infinite where there is no spread."""
        centred = (self.gap - self.mean) * self.there
        n = counts @ self.there
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = counts @ centred / n
            spread = np.maximum(counts @ centred**2 / n - mean**2, 0.0)
            t = np.abs(mean) / np.sqrt(spread / (n - 1))
        t[n < 2] = np.inf
        return np.where(np.isnan(t), 0.0, t).astype(np.float32)  # 0 / 0: all gaps are equal, and so is their mean


def _tested(one: _Gaps, flipped: np.ndarray, drawn: np.ndarray) -> Tested:
    resamples = len(drawn)
    t = np.where(np.isnan(one.t), 0.0, one.t)  # no gap at all, or one image
    studentised = (1 + (drawn >= t.astype(np.float32) * _EQUAL).sum(0)) / (1 + resamples)
    quantile = np.quantile(drawn, LEVEL, axis=0, method="higher")
    with np.errstate(invalid="ignore"):
        width = quantile * one.se
    return Tested(flipped, studentised, np.where(np.isnan(width), np.inf, width))


def _signs(n: int, resamples: int | None, seed: int) -> Iterator[np.ndarray]:
    """Sign vectors, float64 (some, n) at a time: so many at random, or all 2^n."""
    if resamples is None:
        yield 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return
    draw = np.random.default_rng([seed, 1])
    rows = max(1, _CHUNK // n)
    for start in range(0, resamples, rows):
        yield 1.0 - 2.0 * draw.integers(0, 2, size=(min(rows, resamples - start), n), dtype=np.int8)
