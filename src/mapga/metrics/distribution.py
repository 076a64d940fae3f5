"""Distances of sets in the features of an extractor: Frechet distance and kernel distance."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mapga.files.fetch import RemoteFile
from mapga.metrics.base import SetMetric, SetScore
from mapga.metrics.frechet import frechet_bootstrap, frechet_distance, small_factor
from mapga.metrics.moments import check_features
from mapga.metrics.reference import Reference, check_reference, statistics_file
from mapga.metrics.statistics import Interval

__all__ = ["SMALL_N", "FrechetDistance", "KernelDistance"]

SMALL_N = 2048  # the width of Inception features: fewer images leave their covariance singular


class _Distance(SetMetric):
    """What both distances share: the reference and the checks."""

    def __init__(self, reference: str) -> None:
        check_reference(reference)
        self.reference = reference

    def files(self) -> list[RemoteFile]:
        if self.reference in ("truth", "training"):
            return []
        return [statistics_file(self.reference)]

    def _checked(self, restored: np.ndarray, reference: Reference) -> np.ndarray:
        restored = check_features(restored, what=f"{self.name}: features of the restored images")
        if len(restored) < 2:
            raise ValueError(f"{self.name}: a distance of sets needs at least two images, got {len(restored)}")
        if restored.shape[1] != reference.width:
            raise ValueError(
                f"{self.name}: features are {restored.shape[1]} wide, reference {reference.name!r} is "
                f"{reference.width}; use statistics of the same extractor"
            )
        if reference.paired and reference.n != len(restored):
            raise ValueError(f"{self.name}: {len(restored)} restored and {reference.n} true images; pair them")
        return restored

    def _key(self, n: int, reference: Reference) -> str:
        return f"{self.name}|n={n}|reference={reference.name}"


class FrechetDistance(_Distance):
    r"""d^2 = |mu_1 - mu_2|^2 + Tr S_1 + Tr S_2 - 2 Tr (S_1 S_2)^{1/2} of Gaussians fitted to features.

    0 for equal sets. Biased upwards at small N, so that only cells of one N compare.

    Source: Heusel et al., 2017, arXiv 1706.08500; the bias: Chong, Forsyth, "Effectively unbiased FID and
    Inception Score and where to find them", 2020, arXiv 1911.07023.

    Args:
        reference: ``"truth"``, ``"training"`` or an ``.npz`` statistics file of the same extractor.
    """

    lower_is_better = True
    needs_features: ClassVar[bool] = False

    def compare(self, restored: np.ndarray, reference: Reference) -> SetScore:
        restored = self._checked(restored, reference)
        n = len(restored)
        value = frechet_distance(restored.mean(axis=0), small_factor(restored), reference.mean, reference.factor)
        notes: tuple[str, ...] = ()
        if n < SMALL_N:
            notes = (f"{self.name}: N={n} < {SMALL_N}, biased upwards; compare only with cells of the same N",)
        return SetScore(value, n, self._key(n, reference), notes)

    def interval(
        self,
        restored: np.ndarray,
        reference: Reference,
        *,
        level: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
    ) -> Interval:
        """Bootstrap interval over images of ``compare(...).value``; see ``frechet_bootstrap``.

        With ``reference="truth"`` an image and its truth are drawn together; other references stay fixed.
        """
        restored = self._checked(restored, reference)
        return frechet_bootstrap(
            restored,
            reference.mean,
            reference.factor,
            other_features=reference.features if reference.paired else None,
            level=level,
            resamples=resamples,
            seed=seed,
        )


class KernelDistance(_Distance):
    r"""Unbiased squared maximum mean discrepancy with the kernel k(x, y) = (x . y / D + 1)^3.

    mean_{i != j} (k(x_i, x_j) + k(y_i, y_j)) - 2 mean_{i, j} k(x_i, y_j), over all images if both sets
    have the same number m <= ``subset``, else averaged over random subsets of m = min(N_1, N_2, subset),
    as clean-fid computes it. Without the bias of a Frechet distance at small N; may be slightly negative.

    **Differs from the paper:** against the images' own truths the two sets are not independent, and the pairs
    i = j would pull the value below 0. There the last mean is over i != j as well: unbiased, and 0 for
    equal sets.

    Source: Binkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", 2018, arXiv 1801.01401.

    Args:
        reference: ``"truth"`` or ``"training"``; statistics files hold no features.
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
        if reference not in ("truth", "training"):
            raise ValueError(
                f"{self.name}: reference={reference!r} holds a mean and a covariance, but a kernel distance "
                "needs features; choose 'truth' or 'training'"
            )
        if subset < 2 or subsets < 1:
            raise ValueError(f"{self.name}: subset={subset}, subsets={subsets}: need subset >= 2 and subsets >= 1")
        self.subset, self.subsets, self.seed = subset, subsets, seed

    def compare(self, restored: np.ndarray, reference: Reference) -> SetScore:
        restored = self._checked(restored, reference)
        if reference.features is None:
            raise ValueError(f"{self.name}: reference {reference.name!r} holds no features")
        others, n = reference.features, len(restored)
        m = min(n, len(others), self.subset)
        if m < 2:
            raise ValueError(f"{self.name}: reference {reference.name!r} has {len(others)} images; two are needed")
        draw = np.random.default_rng(self.seed)
        values = []
        for _ in range(1 if m == n == len(others) else self.subsets):
            rows = draw.permutation(n)[:m]
            other_rows = rows if reference.paired else draw.permutation(len(others))[:m]
            values.append(_squared_mmd(restored[rows], others[other_rows], paired=reference.paired))
        notes: tuple[str, ...] = ()
        if reference.paired:
            notes = (f"{self.name}: against the images' own truths, pairs of an image and its truth left out",)
        return SetScore(float(np.mean(values)), n, self._key(n, reference), notes)


def _squared_mmd(x: np.ndarray, y: np.ndarray, *, paired: bool) -> float:
    m, width = x.shape
    within = (x @ x.T / width + 1) ** 3 + (y @ y.T / width + 1) ** 3
    across = (x @ y.T / width + 1) ** 3
    apart = m * (m - 1)
    mean_across = (across.sum() - np.trace(across)) / apart if paired else across.mean()
    return float((within.sum() - np.trace(within)) / apart - 2 * mean_across)
