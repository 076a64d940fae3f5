"""The paired test: exact where it can be, right where it cannot, and of level where its gaps are what it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mapga.metrics.paired import RESAMPLES, paired_tests, smallest_p


def _p(gap: np.ndarray, **options) -> float:
    (found,) = paired_tests([gap[:, None]], **options)
    return float(found.p[0])


def test_few_images_are_enumerated():
    gap = np.array([3.0, 1.0, 2.5, -0.5, 4.0, 2.0])
    sums = [abs(np.dot(signs, gap)) for signs in itertools.product((1, -1), repeat=6)]
    exact = np.mean([total >= abs(gap.sum()) - 1e-12 for total in sums])
    assert exact > 1 / 32
    assert _p(gap) >= exact and _p(np.abs(gap)) >= 2 / 64


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_no_p_is_smaller_than_so_many_images_can_give(n):
    gap = np.random.default_rng(n).normal(1.0, 0.01, n)
    assert _p(gap) >= smallest_p(n) == 2.0 ** (1 - n)


def test_resampling_bounds_the_smallest_p():
    assert _p(np.random.default_rng(0).normal(5, 1, 200)) == pytest.approx(1 / (1 + RESAMPLES))
    assert smallest_p(200) == 1 / (1 + RESAMPLES)


def test_random_signs_agree_with_all_of_them():
    gap = np.random.default_rng(3).normal(0.5, 1, 12)
    assert _p(gap, resamples=4095) == pytest.approx(_p(gap, resamples=4096), abs=0.02)


@pytest.mark.parametrize(("n", "low", "high"), [(10, 0.0, 0.05), (24, 0.02, 0.08), (64, 0.02, 0.08)])
def test_it_is_wrong_as_often_as_it_says(n, low, high):
    """Gaps about zero, 500 columns: the share of p < 0.05, within three standard errors of 5 % or below it."""
    (found,) = paired_tests([np.random.default_rng(n).normal(size=(n, 500))], resamples=999)
    assert low <= (found.p < 0.05).mean() <= high


def test_it_sees_what_is_there():
    (found,) = paired_tests([np.random.default_rng(0).normal(0.8, 1, (24, 200))], resamples=999)
    assert (found.p < 0.05).mean() > 0.9


def test_intervals_cover_as_often_as_they_say():
    gaps = np.random.default_rng(1).normal(0.3, 1, (30, 400))
    (found,) = paired_tests([gaps], resamples=999)
    assert 0.92 <= (np.abs(gaps.mean(0) - 0.3) <= found.half_width).mean() <= 0.98


def test_a_column_with_gaps_missing_is_that_of_the_others_alone():
    gap = np.random.default_rng(4).normal(0.4, 1, 60)
    holed = np.concatenate([gap, np.full(5, np.nan)])
    assert _p(holed) == pytest.approx(_p(gap), abs=0.01)


def test_equal_gaps_and_none():
    assert _p(np.zeros(20)) == 1
    assert _p(np.ones(20)) == pytest.approx(1 / (1 + RESAMPLES))
    (one,) = paired_tests([np.ones((1, 1))])
    assert one.p == 1 and one.half_width == np.inf


def test_sets_of_one_pass_are_those_of_separate_ones():
    draw = np.random.default_rng(5)
    sets = [draw.normal(size=(40, 3)), draw.normal(size=(40, 1))]
    together = paired_tests(sets)
    for one, alone in zip(together, (paired_tests([one])[0] for one in sets), strict=True):
        assert one.p.tolist() == alone.p.tolist() and one.half_width.tolist() == alone.half_width.tolist()


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(ValueError, match="finite gaps"):
        paired_tests([np.array([[np.inf], [1.0]])])
    with pytest.raises(ValueError, match="some in each column"):
        paired_tests([np.full((3, 1), np.nan)])
    with pytest.raises(ValueError, match=r"got \[2, 3\] images"):
        paired_tests([np.ones((2, 1)), np.ones((3, 1))])
    with pytest.raises(ValueError, match="resamples=0"):
        paired_tests([np.ones((2, 1))], resamples=0)
