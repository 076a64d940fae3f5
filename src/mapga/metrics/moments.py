r"""Mean and covariance of features in float64, batch by batch, mergeable across shards and ranks.

Merging is Chan's: n = n_1 + n_2, mean = mean_1 + delta n_2 / n, scatter = scatter_1 + scatter_2
+ delta delta^T n_1 n_2 / n with delta = mean_2 - mean_1. Nothing is subtracted from large sums, so the
covariance stays exact where sum x x^T - n mean mean^T loses all digits.

Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Moments", "check_features"]


def check_features(features: np.ndarray, *, what: str = "features") -> np.ndarray:
    """Features as float64 (N, D).

    Raises:
        ValueError: Another shape than (N, D), or a value that is not finite, with its row.
    """
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"{what} of shape {features.shape}: expected (N, D), one row an image")
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"{what}: row {row} of {len(features)} holds NaN or infinity; leave failed images out")
    return features.astype(np.float64, copy=False)


@dataclass(frozen=True)
class Moments:
    """n, mean (D,) and scatter (D, D) = sum (x - mean)(x - mean)^T, float64."""

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Moments of features (N, D).

        Raises:
            ValueError: What ``check_features`` refuses.
        """
        features = check_features(features)
        mean = features.mean(axis=0)
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    @classmethod
    def stream(cls, batches: Iterable[np.ndarray]) -> Moments:
        """Moments of all batches of features (B, D), one batch in memory at a time.

        Raises:
            ValueError: No batch, or batches of different widths.
        """
        total: Moments | None = None
        for batch in batches:
            part = cls.of(batch)
            total = part if total is None else total.merge(part)
        if total is None:
            raise ValueError("no features: a mean needs at least one image")
        return total

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets together, whatever their order.

        Raises:
            ValueError: Different widths.
        """
        if self.width != other.width:
            raise ValueError(f"cannot merge features {self.width} and {other.width} wide; use one extractor")
        n = self.n + other.n
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(delta, delta) * (self.n * other.n / n)
        return Moments(n, self.mean + delta * (other.n / n), scatter)

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """scatter / (n - 1), (D, D).

        Raises:
            ValueError: Fewer than two images.
        """
        if self.n < 2:
            raise ValueError(f"a covariance needs at least two images, got {self.n}")
        return self.scatter / (self.n - 1)
