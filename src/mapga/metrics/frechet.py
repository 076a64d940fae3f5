r"""The Frechet distance of two Gaussians in float64, without a matrix square root.

d^2 = |mu_1 - mu_2|^2 + Tr S_1 + Tr S_2 - 2 Tr (S_1 S_2)^{1/2}.

With any factors S_i = F_i^T F_i the last trace is the nuclear norm of a small matrix, Tr (S_1 S_2)^{1/2} =
|F_1 F_2^T|_*, because the eigenvalues of S_1 S_2 are the squared singular values of F_1 F_2^T. The centred
features themselves, divided by sqrt(N - 1), are such a factor: with N < D images only an (N, N) or (N, D)
matrix is decomposed. Else the factor comes from the symmetric eigendecomposition. Nothing complex or
negative can appear, so nothing is dropped, and no digits are lost to a square root of rounding errors.

Source: Frechet, 1957; Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
equilibrium", 2017, arXiv 1706.08500.
"""

from __future__ import annotations

import numpy as np

from mapga.metrics.moments import Moments, check_features
from mapga.statistics import Interval

__all__ = [
    "covariance_factor",
    "feature_factor",
    "frechet_bootstrap",
    "frechet_distance",
    "gaussian_distance",
    "small_factor",
]


def covariance_factor(covariance: np.ndarray) -> np.ndarray:
    """F (D, D) with F^T F = covariance, from its eigendecomposition; negative rounding errors count as 0.

    Raises:
        ValueError: Not square, not symmetric, or clearly indefinite: no covariance.
    """
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"a covariance is square, got shape {covariance.shape}")
    scale = float(np.abs(covariance).max(initial=0))
    if not np.allclose(covariance, covariance.T, rtol=0, atol=1e-6 * scale):
        raise ValueError("a covariance is symmetric; this matrix is not")
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    if values.min(initial=0) < -1e-4 * scale:
        raise ValueError(f"a covariance has no negative eigenvalue; this matrix has {values.min():.3g}")
    return np.sqrt(values.clip(min=0))[:, None] * vectors.T


def feature_factor(features: np.ndarray) -> np.ndarray:
    """F (N, D) with F^T F = the covariance of features (N, D), N >= 2."""
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def frechet_distance(
    mean: np.ndarray, factor: np.ndarray, other_mean: np.ndarray, other_factor: np.ndarray
) -> float:
    """d^2 from means (D,) and covariance factors (K, D), K whatever is smaller."""
    shift = np.square(mean - other_mean).sum()
    spread = np.square(factor).sum() + np.square(other_factor).sum()
    overlap = np.linalg.svd(factor @ other_factor.T, compute_uv=False).sum()
    # rounding may leave the distance of equal sets a few 1e-13 below zero
    return max(float(shift + spread - 2 * overlap), 0.0)


def gaussian_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """d^2 of N(mean, covariance) and N(other_mean, other_covariance), float64.

    Raises:
        ValueError: Different widths, or matrices that are no covariances.
    """
    if mean.shape != other_mean.shape or covariance.shape != other_covariance.shape:
        raise ValueError(
            f"features {mean.shape} and {other_mean.shape} wide; use one extractor for both sets"
        )
    return frechet_distance(
        mean, covariance_factor(covariance), other_mean, covariance_factor(other_covariance)
    )


def small_factor(features: np.ndarray) -> np.ndarray:
    """The smaller of the two factors of the covariance of features (N, D)."""
    if len(features) <= features.shape[1]:
        return feature_factor(features)
    return covariance_factor(Moments.of(features).covariance)


def frechet_bootstrap(
    features: np.ndarray,
    other_mean: np.ndarray,
    other_factor: np.ndarray,
    *,
    other_features: np.ndarray | None,
    level: float = 0.95,
    resamples: int = 100,
    seed: int = 0,
) -> Interval:
    r"""Bootstrap interval over images of the Frechet distance of features (N, D) from a reference.

    A resampled set has fewer distinct images and hence a distance that is too large on average; that bias
    is taken off, so the interval is value + quantiles of (resampled - mean of resampled): it shows spread,
    not the bias of small N, which the value itself still has.

    Args:
        features: Features (N, D), N >= 2.
        other_mean: The reference's mean (D,).
        other_factor: The reference's covariance factor (K, D).
        other_features: Features (N, D) of the true images of the same rows, which are then resampled with
            them; None keeps the reference fixed.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap samples, >= 2.
        seed: Seed of the resampling.

    Raises:
        ValueError: A level outside (0, 1), fewer than two resamples, fewer than two images, or another number
            of true images.
    """
    features = check_features(features)
    n = len(features)
    if n < 2:
        raise ValueError(f"a covariance needs at least two images, got {n}")
    if not 0 < level < 1 or resamples < 2:
        raise ValueError(
            f"level={level}, resamples={resamples}: need a level in (0, 1) and at least 2 resamples"
        )
    if other_features is not None and len(other_features) != n:
        raise ValueError(f"{n} restored and {len(other_features)} true images; pair the same images")
    draw = np.random.default_rng(seed)
    value = frechet_distance(features.mean(axis=0), small_factor(features), other_mean, other_factor)
    values = np.empty(resamples)
    for k in range(resamples):
        rows = draw.integers(0, n, size=n)
        mean, factor = _resampled(features, rows)
        if other_features is None:
            values[k] = frechet_distance(mean, factor, other_mean, other_factor)
        else:
            values[k] = frechet_distance(mean, factor, *_resampled(other_features, rows))
    spread = values - values.mean()
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, max(value + float(low), 0.0), value + float(high), level)


def _resampled(features: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance factor of features[rows], a drawn row weighted by how often it was drawn."""
    n = len(rows)
    drawn, counts = np.unique(rows, return_counts=True)
    chosen = features[drawn]
    mean = counts @ chosen / n
    factor = np.sqrt(counts / (n - 1))[:, None] * (chosen - mean)
    return mean, factor if len(drawn) <= features.shape[1] else covariance_factor(factor.T @ factor)
