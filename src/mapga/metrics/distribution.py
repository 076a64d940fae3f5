"""Distances of sets in the features of an extractor: Frechet distance and kernel distance."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from mapga.files.fetch import RemoteFile
from mapga.metrics.base import SetMetric, SetScore
from mapga.metrics.frechet import frechet_distance, frechet_influence, small_factor
from mapga.metrics.moments import check_features
from mapga.metrics.reference import CROSSED, Reference, check_reference, statistics_file
from mapga.metrics.statistics import Interval, bootstrap_interval

__all__ = ["SMALL_N", "FrechetDistance", "KernelDistance"]

_CHUNK = 1 << 22  # kernels held at once
SMALL_N = 2048  # the width of Inception features: fewer images leave their covariance singular


class _Distance(SetMetric):
    """What both distances share: the reference, its halves, and the spread over images."""

    def __init__(self, reference: str) -> None:
        check_reference(reference)
        self.reference = reference

    def files(self) -> list[RemoteFile]:
        if self.reference in (CROSSED, "training"):
            return []
        return [statistics_file(self.reference)]

    @abstractmethod
    def distance(self, restored: np.ndarray, reference: Reference) -> float:
        """Of features (N, D) from a reference without halves."""

    @abstractmethod
    def added(self, features: np.ndarray, other: Reference) -> np.ndarray:
        """What each image (N,) adds to the distance of features (N, D) from a set without halves, up to a constant."""

    def compare(self, restored: np.ndarray, reference: Reference) -> SetScore:
        restored = self._checked(restored, reference)
        values = [self.distance(restored[rows], part) for rows, part in reference.parts]
        n = len(restored)
        key = f"{self.name}|n={n}|reference={reference.name}"
        return SetScore(float(np.mean(values)), n, key, self.notes(n, reference))

    def influence(self, restored: np.ndarray, reference: Reference) -> np.ndarray:
        """What each image adds to the score, float64 (N,) of mean 0: by itself, and in crossed halves by its truth.

        The spread of their mean is that of the score; of the differences of two methods' influences, that of the
        difference of their scores. A reference of other images than the run's counts as fixed.
        """
        restored = self._checked(restored, reference)
        n, found = len(restored), np.zeros(len(restored))
        for rows, part in reference.parts:
            own = restored[rows]
            found[rows] += _weighed(self.added(own, part), n / len(reference.parts))
            if reference.first is not None and part.features is not None:
                other = Reference("", len(own), own.mean(axis=0), own)
                found[~np.asarray(rows)] += _weighed(self.added(part.features, other), n / len(reference.parts))
        return found

    def interval(
        self,
        restored: np.ndarray,
        reference: Reference,
        *,
        level: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
    ) -> Interval:
        """Bootstrap interval over images of ``compare(...).value``, from their influences; its spread, not its bias."""
        value = self.compare(restored, reference).value
        drawn = self.influence(restored, reference)
        spread = bootstrap_interval(drawn, level=level, resamples=resamples, seed=seed)
        return Interval(value, value + spread.low, value + spread.high, level)

    def notes(self, n: int, reference: Reference) -> tuple[str, ...]:
        """What a reader must know of a score of n images."""
        return ()

    def _checked(self, restored: np.ndarray, reference: Reference) -> np.ndarray:
        restored = check_features(restored, what=f"{self.name}: features of the restored images")
        if restored.shape[1] != reference.width:
            raise ValueError(
                f"{self.name}: features are {restored.shape[1]} wide, reference {reference.name!r} is "
                f"{reference.width}; use statistics of the same extractor"
            )
        if reference.first is not None and reference.n != len(restored):
            raise ValueError(f"{self.name}: {len(restored)} restored and {reference.n} true images; pair them")
        sizes = [len(restored)] if reference.first is None else [reference.first.sum(), (~reference.first).sum()]
        if min(sizes) < 2:
            where = "" if reference.first is None else " in each half"
            raise ValueError(f"{self.name}: a distance of sets needs at least two images{where}, got {min(sizes)}")
        return restored


class FrechetDistance(_Distance):
    r"""d^2 = |mu_1 - mu_2|^2 + Tr S_1 + Tr S_2 - 2 Tr (S_1 S_2)^{1/2} of Gaussians fitted to features.

    0 for equal sets. Biased upwards at small N, so that only cells of one N compare; what other real images of the same
    number score is the least that can be asked.

    Source: Heusel et al., 2017, arXiv 1706.08500; the bias: Chong, Forsyth, "Effectively unbiased FID and
    Inception Score and where to find them", 2020, arXiv 1911.07023.

    Args:
        reference: ``"crossed"``, ``"training"`` or an ``.npz`` statistics file of the same extractor.
    """

    lower_is_better = True
    needs_features: ClassVar[bool] = False

    def distance(self, restored: np.ndarray, reference: Reference) -> float:
        return frechet_distance(restored.mean(axis=0), small_factor(restored), reference.mean, reference.factor)

    def added(self, features: np.ndarray, other: Reference) -> np.ndarray:
        mean = features.mean(axis=0)
        return frechet_influence(features - mean, mean - other.mean, other.factor)

    def notes(self, n: int, reference: Reference) -> tuple[str, ...]:
        if (fitted := n // len(reference.parts)) >= SMALL_N:
            return ()
        return (f"{self.name}: N={fitted} < {SMALL_N}, biased upwards; compare only with cells of the same N",)


class KernelDistance(_Distance):
    r"""Unbiased squared maximum mean discrepancy with the kernel k(x, y) = (x . y / D + 1)^3.

    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j), over all images if neither set
    has more than ``subset``, else averaged over random subsets of m = min(N_1, N_2, subset), as clean-fid computes it.
    Without the bias of a Frechet distance at small N; may be slightly negative.

    Source: Binkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", 2018, arXiv 1801.01401.

    Args:
        reference: ``"crossed"`` or ``"training"``; statistics files hold no features.
        subset: Largest number of images in one kernel matrix, >= 2.
        subsets: Number of random subsets, >= 1.
        seed: Seed of the subsets.

    Raises:
        ValueError: A value outside these ranges.
    """

    lower_is_better = True
    needs_features: ClassVar[bool] = True

    def __init__(self, reference: str, subset: int = 1000, subsets: int = 100, seed: int = 0) -> None:
        super().__init__(reference)
        if reference not in (CROSSED, "training"):
            raise ValueError(
                f"{self.name}: reference={reference!r} holds a mean and a covariance, but a kernel distance "
                "needs features; choose 'crossed' or 'training'"
            )
        if subset < 2 or subsets < 1:
            raise ValueError(f"{self.name}: subset={subset}, subsets={subsets}: need subset >= 2 and subsets >= 1")
        self.subset, self.subsets, self.seed = subset, subsets, seed

    def distance(self, restored: np.ndarray, reference: Reference) -> float:
        others, n = self._features(reference), len(restored)
        if max(n, len(others)) <= self.subset:
            return _squared_mmd(restored, others)
        m, draw = min(n, len(others), self.subset), np.random.default_rng(self.seed)
        subsets = ((draw.permutation(n)[:m], draw.permutation(len(others))[:m]) for _ in range(self.subsets))
        return float(np.mean([_squared_mmd(restored[rows], others[other_rows]) for rows, other_rows in subsets]))

    def added(self, features: np.ndarray, other: Reference) -> np.ndarray:
        """Of the mean over all pairs, without subsets. Where both sets are of one distribution no image adds anything,
        what is left is the chance of pairs, and the spread comes out up to sqrt(2) times too wide."""
        n, own = len(features), np.square(features).sum(axis=1) / features.shape[1] + 1
        within = (n * _kernel_means(features, features) - own**3) / (n - 1)
        return 2 * (within - _kernel_means(features, self._features(other)))

    def _features(self, reference: Reference) -> np.ndarray:
        if reference.features is None:
            raise ValueError(f"{self.name}: reference {reference.name!r} holds no features")
        if len(reference.features) < 2:
            raise ValueError(f"{self.name}: reference {reference.name!r} has {reference.n} images; two are needed")
        return reference.features


def _weighed(added: np.ndarray, total: float) -> np.ndarray:
    """About their mean, and so that their sum over ``total`` is their mean."""
    return (added - added.mean()) * (total / len(added))


def _kernel_means(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """mean_j k(x_i, y_j), (len(x),), some rows at a time."""
    rows = max(1, _CHUNK // len(y))
    parts = [((x[k : k + rows] @ y.T / x.shape[1] + 1) ** 3).mean(axis=1) for k in range(0, len(x), rows)]
    return np.concatenate(parts)


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    def within(z: np.ndarray) -> float:
        kernel = (z @ z.T / z.shape[1] + 1) ** 3
        return float(kernel.sum() - np.trace(kernel)) / (len(z) * (len(z) - 1))

    return within(x) + within(y) - 2 * float(((x @ y.T / x.shape[1] + 1) ** 3).mean())
