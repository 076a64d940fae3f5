"""Means with their uncertainty, for per-image numbers. numpy only: the report imports it.

Intervals are percentile bootstrap intervals over images (Efron, "Bootstrap methods", Annals of Statistics,
1979), seeded, so that the same numbers give the same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "Estimate",
    "Interval",
    "bootstrap_interval",
    "check_same_protocol",
    "mean_sem",
    "paired_difference_interval",
]

_CHUNK = 1 << 22  # resampled values held at once


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


def check_same_protocol(keys: Mapping[str, str]) -> None:
    """Refuse to put set metrics of different protocols in one column of a table.

    Args:
        keys: The key of each cell (flavour, N, reference), by the cell's label.

    Raises:
        ValueError: Two cells of different keys, naming the first of each.
    """
    first: dict[str, str] = {}
    for label, key in keys.items():
        first.setdefault(key, label)
    if len(first) > 1:
        (key, label), (other_key, other_label) = list(first.items())[:2]
        raise ValueError(
            f"{label} is {key!r} but {other_label} is {other_key!r}: different metrics; split them into two columns"
        )


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean of per-image numbers (n,).

    Args:
        values: One number an image.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap samples, >= 1.
        seed: The same seed, values and settings give the same interval.

    Raises:
        ValueError: No values, NaN, a level outside (0, 1) or no resamples.
    """
    array = _checked(values)
    if not 0 < level < 1:
        raise ValueError(f"level={level}: a confidence level lies between 0 and 1, e.g. 0.95")
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: draw at least one bootstrap sample")
    n, draw = len(array), np.random.default_rng(seed)
    means = np.empty(resamples)
    rows = max(1, _CHUNK // n)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        means[start:stop] = array[draw.integers(0, n, size=(stop - start, n))].mean(axis=1)
    # "lower"/"higher" give order statistics, which stay defined where values are infinite
    low = np.quantile(means, (1 - level) / 2, method="lower")
    high = np.quantile(means, (1 + level) / 2, method="higher")
    return Interval(float(array.mean()), float(low), float(high), level)


def paired_difference_interval(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean of first - second over the same images, with its bootstrap interval.

    Pairing removes the spread between easy and hard images; the two means' own intervals would hide a
    difference that every image shows. Two infinite values of the same sign differ by 0.

    Args:
        first: One method's numbers (n,), in the order of the images.
        second: Another method's numbers (n,), for the same images in the same order.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap samples, >= 1.
        seed: Seed of the resampling.

    Raises:
        ValueError: Different lengths, or what ``bootstrap_interval`` refuses.
    """
    one, two = _checked(first), _checked(second)
    if one.shape != two.shape:
        raise ValueError(f"paired difference of {len(one)} and {len(two)} numbers; compare the same images")
    same = one == two
    difference = np.subtract(one, two, out=np.zeros_like(one), where=~same)
    return bootstrap_interval(difference, level=level, resamples=resamples, seed=seed)
