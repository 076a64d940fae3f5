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

from mapga.metrics.moments import Moments

__all__ = [
    "covariance_factor",
    "feature_factor",
    "frechet_distance",
    "frechet_influence",
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


def frechet_distance(mean: np.ndarray, factor: np.ndarray, other_mean: np.ndarray, other_factor: np.ndarray) -> float:
    """d^2 from means (D,) and covariance factors (K, D), K whatever is smaller."""
    shift = np.square(mean - other_mean).sum()
    spread = np.square(factor).sum() + np.square(other_factor).sum()
    overlap = np.linalg.svd(factor @ other_factor.T, compute_uv=False).sum()
    # rounding may leave the distance of equal sets a few 1e-13 below zero
    return max(float(shift + spread - 2 * overlap), 0.0)


def small_factor(features: np.ndarray) -> np.ndarray:
    """The smaller of the two factors of the covariance of features (N, D)."""
    if len(features) <= features.shape[1]:
        return feature_factor(features)
    return covariance_factor(Moments.of(features).covariance)


def frechet_influence(centred: np.ndarray, shift: np.ndarray, other_factor: np.ndarray) -> np.ndarray:
    r"""What each image adds to the distance, L_i (N,) up to a constant, of the rows z_i of ``centred`` (N, D).

    The distance is a smooth function of mean and covariance, so that to first order it is a mean over images of

    L_i = 2 (mu_1 - mu_2) . z_i + |z_i|^2 - z_i^T T z_i,  z_i = x_i - mu_1,

    with T the optimal transport map from N(., S_1) to N(., S_2), and z_i^T T z_i = (N - 1) sum_k s_k U_ik^2 with
    U s V^T = Z F_2^T / sqrt(N - 1). Resampling L_i takes one decomposition instead of one a resample; on Gaussian data
    the mean of L_i spreads as the distance does over fresh sets, also for N < D, where resampled sets, with their
    repeated images, spread up to twice as much. It shows spread, not the bias of small N.

    Source: influence functions: Hampel, "The influence curve and its role in robust estimation", 1974; the map:
    Olkin, Pukelsheim, "The distance between two random vectors with given dispersion matrices", 1982.

    Args:
        centred: Features less their mean.
        shift: Their mean less the other's (D,).
        other_factor: The other covariance's factor (K, D).
    """
    n = len(centred)
    overlap = centred @ other_factor.T / np.sqrt(n - 1)
    if n <= overlap.shape[1]:
        left, singular, _ = np.linalg.svd(overlap, full_matrices=False)
        transported = np.square(left) @ singular
    else:
        squared, right = np.linalg.eigh(overlap.T @ overlap)
        seen = squared > 1e-12 * squared.max(initial=0)
        transported = np.square(overlap @ right[:, seen]) @ (1 / np.sqrt(squared[seen]))
    return 2 * centred @ shift + np.square(centred).sum(axis=1) - (n - 1) * transported
