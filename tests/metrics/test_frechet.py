"""The Frechet distance, its moments and its bootstrap: known values, other libraries, shards and ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from mapga.metrics.distribution import FrechetDistance
from mapga.metrics.frechet import (
    covariance_factor,
    feature_factor,
    frechet_distance,
    small_factor,
)
from mapga.metrics.moments import Moments, check_features
from mapga.metrics.reference import Reference, crossed_reference, halves


def features(n: int, d: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.standard_normal((n, d)) @ draw.standard_normal((d, d)) / d**0.5 + shift


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return frechet_distance(x.mean(axis=0), small_factor(x), y.mean(axis=0), small_factor(y))


def gaussian_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """From full covariances, as the formula is written."""
    return frechet_distance(mean, covariance_factor(covariance), other_mean, covariance_factor(other_covariance))


def test_known_distances_are_exact() -> None:
    four = np.eye(4)
    assert gaussian_distance(np.zeros(4), four, np.array([3.0, 0, 0, 0]), 4 * four) == 13
    assert gaussian_distance(np.zeros(2), np.diag([1.0, 0]), np.zeros(2), np.diag([0, 1.0])) == 2


@pytest.mark.parametrize("n", [10, 40, 200])
def test_equal_sets_are_at_distance_zero(n: int) -> None:
    x = features(n, 40)
    assert distance(x, x) < 1e-10
    assert distance(x, x[::-1]) < 1e-10


@pytest.mark.parametrize(("n", "other"), [(10, 12), (10, 200), (200, 10), (200, 200)])
def test_both_forms_agree(n: int, other: int) -> None:
    x, y = features(n, 30), features(other, 30, seed=1, shift=0.5)
    full = gaussian_distance(x.mean(axis=0), np.cov(x.T), y.mean(axis=0), np.cov(y.T))
    assert distance(x, y) == pytest.approx(full, abs=1e-6)
    assert distance(x, y) == pytest.approx(distance(y, x), abs=1e-10)


def test_equal_to_torchmetrics_and_clean_fid() -> None:
    cleanfid = pytest.importorskip("cleanfid.fid")
    x, y = features(200, 30), features(150, 30, seed=1, shift=0.5)
    moments = [x.mean(axis=0), np.cov(x.T), y.mean(axis=0), np.cov(y.T)]
    expected = _compute_fid(*(torch.from_numpy(part) for part in moments)).item()
    assert distance(x, y) == pytest.approx(expected, rel=1e-9)
    assert distance(x, y) == pytest.approx(cleanfid.frechet_distance(*moments), rel=1e-6)


def test_distance_of_scaled_and_shifted_gaussians() -> None:
    # N(0, I) against N(m, s^2 I): |m|^2 + d (1 - s)^2
    d = 7
    value = gaussian_distance(np.zeros(d), np.eye(d), np.full(d, 0.5), 9 * np.eye(d))
    assert value == pytest.approx(d * 0.25 + d * 4, rel=1e-12)


def test_factors_reproduce_the_covariance() -> None:
    x = features(50, 20)
    for factor in (covariance_factor(np.cov(x.T)), feature_factor(x), small_factor(x)):
        np.testing.assert_allclose(factor.T @ factor, np.cov(x.T), atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\)"),
        (np.array([[1.0, 2], [0, 1]]), "symmetric"),
        (np.diag([1.0, -0.5]), "negative eigenvalue"),
    ],
)
def test_matrices_that_are_no_covariance_are_refused(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        covariance_factor(matrix)


def test_moments_merge_in_any_order_and_split() -> None:
    x = features(101, 12, shift=1e6)  # far from zero: sums of squares would lose all digits
    whole = Moments.of(x)
    np.testing.assert_allclose(whole.covariance, np.cov(x.T), rtol=1e-9, atol=1e-9)
    parts = [Moments.of(x[a:b]) for a, b in [(0, 1), (1, 40), (40, 101)]]
    for merged in (parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[0]).merge(parts[1])):
        assert merged.n == 101
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-14)
        np.testing.assert_allclose(merged.covariance, whole.covariance, atol=1e-8)
    streamed = Moments.stream(x[start : start + 7] for start in range(0, 101, 7))
    np.testing.assert_allclose(streamed.covariance, whole.covariance, atol=1e-8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(12), r"shape \(12,\)"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        (np.array([[0, 1], [np.nan, 0]]), "row 1 of 2"),
        (np.array([[np.inf, 1], [0, 0]]), "row 0 of 2"),
    ],
)
def test_wrong_features_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_features(values)
    with pytest.raises(ValueError, match=message):
        Moments.of(values)


def test_moments_refuse_other_widths_and_single_images() -> None:
    with pytest.raises(ValueError, match="3 and 4 wide"):
        Moments.of(features(5, 3)).merge(Moments.of(features(5, 4)))
    with pytest.raises(ValueError, match="at least two images, got 1"):
        _ = Moments.of(features(1, 3)).covariance
    with pytest.raises(ValueError, match="no features"):
        Moments.stream([])


class Plain(FrechetDistance):
    """Features that are there already."""

    name, flavour = "fd_plain", "plain"

    def features(self, images: np.ndarray) -> np.ndarray:
        return images

    def extractor_hash(self) -> str:
        return "0"


def reference_of(y: np.ndarray) -> Reference:
    return Reference("these", len(y), y.mean(axis=0), y)


@pytest.mark.parametrize("n", [16, 30, 120])
def test_interval_holds_the_value_and_repeats(n: int) -> None:
    x, y, metric = features(n, 20), features(n, 20, seed=1, shift=0.3), Plain("crossed")
    crossed = crossed_reference(y, restored_indices=range(n), truth_indices=range(n))
    first = halves(range(n))
    apart = (distance(x[first], y[~first]) + distance(x[~first], y[first])) / 2
    for reference, expected in ((reference_of(y), distance(x, y)), (crossed, apart)):
        interval = metric.interval(x, reference)
        assert interval.mean == pytest.approx(expected, rel=1e-12)
        assert interval.low < interval.mean < interval.high
        assert metric.interval(x, reference) == interval


@pytest.mark.parametrize("crossed", [True, False])
@pytest.mark.parametrize("n", [10, 40, 200])  # fewer images than features, some more, many more
def test_interval_is_as_wide_as_fresh_sets_spread(n: int, crossed: bool) -> None:
    draw, metric = np.random.default_rng(0), Plain("crossed")
    d = 10
    first, second = draw.standard_normal((2, d, d)) / d**0.5
    fixed = reference_of(draw.standard_normal((2000, d)) @ second)
    values, widths = [], []
    for repeat in range(80):
        base = draw.standard_normal((n, d))
        x, y = base @ (first + 2 * second) / 2, base @ second
        reference = crossed_reference(y, restored_indices=range(n), truth_indices=range(n)) if crossed else fixed
        values.append(metric.compare(x, reference).value)
        if repeat < 8:
            interval = metric.interval(x, reference, level=0.6827)
            widths.append((interval.high - interval.low) / 2)
    assert 0.6 < np.mean(widths) / np.std(values) < 1.8


def test_what_no_distance_can_be_of_is_refused() -> None:
    x, y, metric = features(10, 4), features(9, 4), Plain("crossed")
    with pytest.raises(ValueError, match="10 restored and 9 true"):
        metric.interval(x, crossed_reference(y, restored_indices=range(9), truth_indices=range(9)))
    with pytest.raises(ValueError, match="two images in each half, got 1"):
        metric.compare(x[:3], crossed_reference(x[:3], restored_indices=range(3), truth_indices=range(3)))
    with pytest.raises(ValueError, match="two images, got 1"):
        metric.compare(x[:1], reference_of(y))
    with pytest.raises(ValueError, match="resamples=0"):
        metric.interval(x, reference_of(y), resamples=0)


_RANK = """
import sys
import numpy as np, torch, torch.distributed as dist
from mapga.metrics.moments import Moments
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
mine = Moments.of(np.load(f"{folder}/x.npy")[rank::2])
packed = torch.from_numpy(np.concatenate([[mine.n], mine.mean, mine.scatter.ravel()]))
ranks = [torch.empty_like(packed) for _ in range(2)]
dist.all_gather(ranks, packed)
d = mine.width
both = [Moments(int(r[0]), r[1:1 + d].numpy(), r[1 + d:].reshape(d, d).numpy()) for r in ranks]
merged = both[0].merge(both[1])
np.savez(f"{folder}/rank{rank}.npz", mean=merged.mean, covariance=merged.covariance)
dist.destroy_process_group()
"""


def test_two_gloo_ranks_give_the_distance_of_one(tmp_path: Path) -> None:
    x, y = features(81, 16), features(70, 16, seed=1, shift=0.3)
    np.save(tmp_path / "x.npy", x)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen([sys.executable, "-c", _RANK, str(rank), str(tmp_path)], env=environment) for rank in range(2)
    ]
    try:
        assert [process.wait() for process in ranks] == [0, 0]
    finally:
        for process in ranks:
            process.kill()
    one = gaussian_distance(x.mean(axis=0), np.cov(x.T), y.mean(axis=0), np.cov(y.T))
    for rank in range(2):
        with np.load(tmp_path / f"rank{rank}.npz") as merged:
            two = gaussian_distance(merged["mean"], merged["covariance"], y.mean(axis=0), np.cov(y.T))
        assert two == pytest.approx(one, abs=1e-9)
