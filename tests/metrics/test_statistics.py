"""Means and intervals of per-image numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mapga.metrics.statistics import bootstrap_interval, mean_sem, resampled_counts


def test_mean_and_standard_error() -> None:
    estimate = mean_sem([20, 25, 30, 15])
    assert estimate.mean == 22.5
    assert estimate.sem == pytest.approx(np.std([20, 25, 30, 15], ddof=1) / 2)
    assert estimate.n == 4


def test_one_or_infinite_values_have_no_standard_error() -> None:
    assert np.isnan(mean_sem([3.0]).sem)
    with np.errstate(all="raise"):
        estimate = mean_sem([30.0, np.inf])
    assert np.isinf(estimate.mean) and np.isnan(estimate.sem)


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        values = draw.standard_normal(60) + 5
        interval = bootstrap_interval(values, level=0.9, resamples=400, seed=seed)
        covered += interval.low <= 5 <= interval.high
    assert 165 <= covered <= 194  # 180 expected, four standard deviations


def test_interval_is_a_function_of_its_arguments() -> None:
    values = np.random.default_rng(1).random(1000)
    first = bootstrap_interval(values, resamples=5000)
    assert first == bootstrap_interval(list(values), resamples=5000)
    assert first != bootstrap_interval(values, resamples=5000, seed=1)
    assert first.low < first.mean < first.high


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(100)
    whole = bootstrap_interval(values, resamples=50)
    monkeypatch.setattr("mapga.metrics.statistics._CHUNK", 700)
    parts = bootstrap_interval(values, resamples=50)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_a_resample_counts_every_image_as_often_as_it_was_drawn() -> None:
    [counts] = resampled_counts(30, 4000, seed=3)
    assert counts.shape == (4000, 30) and (counts.sum(axis=1) == 30).all()
    # of a binomial law: mean 1, variance 1 - 1 / n
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.08)
    np.testing.assert_allclose(counts.var(axis=0), 1 - 1 / 30, atol=0.12)
    assert list(resampled_counts(0, 10, seed=0)) == []


def test_pairing_finds_what_separate_intervals_hide() -> None:
    draw = np.random.default_rng(0)
    difficulty = draw.normal(25, 5, 100)
    better, worse = difficulty + 0.3 + draw.normal(0, 0.1, 100), difficulty
    one, two = bootstrap_interval(better), bootstrap_interval(worse)
    assert one.low < two.high  # they overlap
    difference = bootstrap_interval(better - worse)
    assert 0.25 < difference.low < difference.mean < difference.high < 0.35


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_sem([]), "shape"),
        (lambda: mean_sem(np.zeros((2, 2))), r"shape \(2, 2\)"),
        (lambda: mean_sem([1, np.nan, 2]), "number 1 of 3 is NaN"),
        (lambda: bootstrap_interval([1, 2], level=95), "level=95"),
        (lambda: bootstrap_interval([1, 2], resamples=0), "resamples=0"),
        (lambda: bootstrap_interval([1, np.inf, 2]), "1 of 3 numbers are infinite"),
    ],
)
def test_bad_input_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_module_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import mapga.metrics.statistics"
    subprocess.run([sys.executable, "-c", code], check=True)
