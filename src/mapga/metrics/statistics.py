"""Means with their uncertainty, for per-image numbers, and the one resampling of images. numpy only.

Intervals are percentile bootstrap intervals over images (Efron, "Bootstrap methods", Annals of Statistics,
1979), seeded, so that the same numbers give the same table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Estimate", "Interval", "bootstrap_interval", "mean_sem", "resampled_counts"]

_CHUNK = 1 << 22  # counts held at once


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error s / sqrt(n) with s the (n - 1) standard deviation (NaN for n = 1), and n."""

    mean: float
    sem: float
    n: int


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its interval and the confidence level."""

    mean: float
    low: float
    high: float
    level: float


def _checked(values: Sequence[float] | np.ndarray) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"expected a list of per-image numbers, got shape {array.shape}")
    if np.isnan(array).any():
        first = int(np.flatnonzero(np.isnan(array))[0])
        raise ValueError(f"number {first} of {len(array)} is NaN; leave failed images out and report how many failed")
    return array


def mean_sem(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean and standard error of per-image numbers (n,).

    An infinite value (PSNR of an exact answer) makes the mean infinite and the standard error NaN.

    Raises:
        ValueError: No values, another shape than (n,), or NaN.
    """
    array = _checked(values)
    if len(array) == 1 or not np.isfinite(array).all():
        return Estimate(float(array.mean()), float("nan"), len(array))
    return Estimate(float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array))), len(array))


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean of per-image numbers (n,).

    Args:
        values: One number per image.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap samples, >= 1.
        seed: The same seed, values and settings give the same interval.

    Raises:
        ValueError: No values, NaN or infinity, a level outside (0, 1) or no resamples.
    """
    array = _checked(values)
    if not np.isfinite(array).all():
        raise ValueError(f"{np.isinf(array).sum()} of {len(array)} numbers are infinite; leave them out and count them")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: a confidence level lies between 0 and 1, e.g. 0.95")
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: draw at least one bootstrap sample")
    n = len(array)
    means = np.concatenate([counts @ array for counts in resampled_counts(n, resamples, seed)]) / n
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(array.mean()), float(low), float(high), level)


def resampled_counts(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of n images is in each bootstrap sample, float64 (some, n) at a time; nothing for n = 0."""
    if not n:
        return
    draw = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n)
    for start in range(0, resamples, rows):
        some = min(rows, resamples - start)
        drawn = draw.integers(0, n, size=(some, n), dtype=np.int32)
        drawn += np.arange(some, dtype=np.int32)[:, None] * np.int32(n)
        yield np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n).astype(np.float64)
