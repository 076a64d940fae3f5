"""Distances of sets do not know which image is whose: they are the same at every correlation with the truths."""

from __future__ import annotations

import numpy as np
import pytest

from mapga.metrics.distribution import FrechetDistance, KernelDistance
from mapga.metrics.reference import Reference, crossed_reference, halves

D, N = 64, 256
CORRELATIONS = (0.0, 0.9, 0.99)


class _Features:
    """Features that are there already."""

    flavour = "plain"

    def features(self, images: np.ndarray) -> np.ndarray:
        return images

    def extractor_hash(self) -> str:
        return "0"


class Frechet(_Features, FrechetDistance):
    name = "fd"


class Kernel(_Features, KernelDistance):
    name = "kd"


def drawn(correlation: float, seed: int, n: int = N, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Restored images and truths of one distribution, each image that much like its truth."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=(n, D))
    restored = correlation * truth + (1 - correlation**2) ** 0.5 * draw.normal(size=(n, D))
    return restored + shift, truth


def crossed(truth: np.ndarray) -> Reference:
    return crossed_reference(truth, restored_indices=range(len(truth)), truth_indices=range(len(truth)))


def test_the_frechet_distance_is_the_same_at_every_correlation() -> None:
    """Against own truths it was 1.60 at 0.9 and 0.17 at 0.99, where independent sets of 256 score 8.6."""
    metric = Frechet("crossed")
    values = {
        c: [metric.compare(r, crossed(t)).value for r, t in (drawn(c, s) for s in range(8))] for c in CORRELATIONS
    }
    means = [np.mean(values[c]) for c in CORRELATIONS]
    error = max(np.std(values[c], ddof=1) for c in CORRELATIONS) / 8**0.5
    assert max(means) - min(means) < 4 * error < 0.1 * min(means)
    restored, truth = drawn(0.99, 0)
    floor = metric.compare(truth, crossed(truth)).value
    interval = metric.interval(restored, crossed(truth))
    assert interval.low < floor < interval.high


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_the_kernel_distance_covers_zero(correlation: float) -> None:
    """Its interval is up to sqrt(2) too wide where the distributions are equal: it covers in 97 to 100 % of cases."""
    metric, scores, covered = Kernel("crossed"), [], []
    for seed in range(40):
        restored, truth = drawn(correlation, seed, n=64)
        added = metric.influence(restored, crossed(truth))
        scores.append(metric.compare(restored, crossed(truth)).value)
        covered.append(abs(scores[-1]) < 1.96 * added.std(ddof=1) / 64**0.5)
    assert abs(np.mean(scores)) < 3 * np.std(scores) / 40**0.5
    assert np.mean(covered) >= 0.95


def test_influences_tell_two_methods_apart_that_their_intervals_do_not() -> None:
    metric, found = Frechet("crossed"), []
    for seed in range(10):
        restored, truth = drawn(0.9, seed)
        other = restored + 0.03
        reference = crossed(truth)
        first, second = metric.interval(restored, reference), metric.interval(other, reference)
        assert first.low < second.high and second.low < first.high
        gap = metric.influence(other, reference) - metric.influence(restored, reference)
        found.append((second.mean - first.mean, gap.std(ddof=1) / N**0.5))
    differences, errors = np.array(found).T
    assert np.mean(errors) == pytest.approx(np.std(differences, ddof=1), rel=0.6)
    assert np.mean(errors) < 0.25 * (first.high - first.low) / 3.92


@pytest.mark.parametrize("metric", [Frechet("crossed"), Kernel("crossed")])
def test_an_influence_is_what_leaving_an_image_out_does(metric) -> None:
    restored, truth = drawn(0.5, 0, n=400, shift=0.3)
    whole, added = metric.compare(restored, crossed(truth)).value, metric.influence(restored, crossed(truth))
    assert added.mean() == pytest.approx(0, abs=1e-9)
    jackknifed = []
    for left in range(40):
        kept = np.delete(np.arange(400), left)
        reference = crossed_reference(truth[kept], restored_indices=kept, truth_indices=kept, first=halves(kept))
        jackknifed.append(399 * (whole - metric.compare(restored[kept], reference).value))
    assert np.corrcoef(jackknifed, added[:40])[0, 1] > 0.93
    assert np.std(jackknifed) == pytest.approx(np.std(added[:40]), rel=0.35)
