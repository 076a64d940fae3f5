"""Comparisons: intervals cover as often as they say, chance gets no stars, a difference that every image shows does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mapga.metrics.statistics import bootstrap_interval
from mapga.report.compare import Column, compare, holm, starless


def _one(values: np.ndarray, *, lower: bool = True):
    (found,) = compare([Column(values, lower)])
    return found


def _skilled(n: int = 200, seed: int = 0) -> np.ndarray:
    """Images of very different difficulty; the third method is a little worse on every one."""
    draw = np.random.default_rng(seed)
    difficulty = draw.normal(0, 10, (n, 1))
    return difficulty + draw.normal(0, 0.1, (n, 3)) + np.array([0.0, 0.0, 0.5])


def test_pairing_sees_what_the_means_own_intervals_hide():
    found = _one(_skilled())
    lows, highs = zip(*found.intervals, strict=True)
    assert max(lows) < min(highs)
    assert found.between(0, 1).tied and found.between(0, 1).stars == ""
    for better in (0, 1):
        pair = found.between(2, better)
        assert not pair.tied and pair.stars == "**" and pair.difference < 0
        assert pair.effect < -1 and pair.wins > 0.95


def test_the_same_numbers_as_one_by_one():
    values = _skilled(80)
    found = _one(values)
    for k, (low, high) in enumerate(found.intervals):
        alone = bootstrap_interval(values[:, k], resamples=5000, seed=7)
        assert (low, high) == pytest.approx((alone.low, alone.high), abs=0.25)
    pair, alone = found.between(0, 2), bootstrap_interval(values[:, 0] - values[:, 2], resamples=5000, seed=7)
    assert pair.difference == pytest.approx(alone.mean)
    assert (pair.low, pair.high) == pytest.approx((alone.low, alone.high), abs=0.005)


def test_holm_is_the_written_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_chance_gets_stars_in_few_columns():
    draw = np.random.default_rng(2)
    starred = [any(pair.stars for pair in _one(draw.normal(0, 1, (50, 6))).pairs) for _ in range(80)]
    assert np.mean(starred) < 0.12


def test_bold_and_stars_are_one_rule():
    """A difference whose own interval leaves zero out, and that the corrected test cannot tell from chance, is tied."""
    found = _one(np.random.default_rng(3).normal(0, 1, (40, 8)) + 0.2 * np.arange(8))
    alone = [pair for pair in found.pairs if not pair.low <= 0 <= pair.high]
    assert any(pair.tied for pair in alone) and all(pair.tied == (not pair.stars) for pair in found.pairs)


def test_so_many_pairs_have_resamples_enough_for_stars():
    values = np.random.default_rng(4).normal(0, 0.01, (60, 12)) + np.arange(12)
    assert {pair.stars for pair in _one(values).pairs} == {"**"}


@pytest.mark.parametrize(("n", "methods", "none"), [(4, 2, True), (7, 2, False), (7, 5, True), (12, 5, False)])
def test_where_no_honest_p_can_reach_a_star_none_is_given(n, methods, none):
    values = np.random.default_rng(5).normal(0, 0.01, (n, methods)) + np.arange(methods)
    found = _one(values)
    assert starless(found.pairs) == none
    assert not none or not any(pair.stars for pair in found.pairs)


def test_differences_of_a_few_images_are_called_skewed():
    even, one = np.zeros((30, 2)), np.zeros((30, 2))
    even[:, 0] = np.random.default_rng(6).normal(0, 1, 30)
    one[:, 0] = np.where(np.arange(30) == 7, 10.0, 0.1)
    assert not _one(even).pairs[0].skewed and _one(one).pairs[0].skewed


def test_missing_images_are_left_out_pair_by_pair():
    values = _skilled(50)
    holed = values.copy()
    holed[3, 0] = holed[4, 1] = np.nan
    found = _one(holed)
    assert {(p.first, p.second): p.n for p in found.pairs} == {(0, 1): 48, (0, 2): 49, (1, 2): 49}
    both = np.delete(values, [3, 4], axis=0)
    assert found.between(0, 1).difference == pytest.approx(float((both[:, 0] - both[:, 1]).mean()))
    assert np.isfinite(np.array(found.intervals)).all()


def test_columns_of_one_pass_are_those_of_separate_ones():
    values = _skilled(40)
    holed = values.copy()
    holed[0, 0] = np.nan
    together = compare([Column(values, True), Column(holed, True), Column(-values, False)])
    assert together == [_one(values), _one(holed), _one(-values, lower=False)]


@pytest.mark.parametrize("n", [1, 2])
def test_few_images_are_no_error(n):
    found = _one(np.ones((n, 2)) * [1.0, 2.0])
    (pair,) = found.pairs
    assert pair.difference == -1 and np.isnan(pair.effect) and pair.wins == 1


def test_equal_methods_are_tied():
    (pair,) = _one(np.random.default_rng(0).normal(size=(20, 1)).repeat(2, axis=1)).pairs
    assert pair.tied and pair.p == 1 and pair.wins == 0.5


def test_methods_without_a_common_image_make_no_pair():
    values = np.array([[1.0, np.nan, 2.0], [np.nan, 1.0, 3.0]])
    assert [(p.first, p.second) for p in _one(values).pairs] == [(0, 2), (1, 2)]
    assert _one(np.empty((0, 3))).pairs == [] and compare([]) == []


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="without infinities"):
        _one(np.array([[1.0, np.inf]]))
    with pytest.raises(ValueError, match="of the same images"):
        compare([Column(np.ones((2, 2)), True), Column(np.ones((3, 2)), True)])


def test_every_pair_is_there_once():
    found = _one(_skilled())
    assert [(p.first, p.second) for p in found.pairs] == list(itertools.combinations(range(3), 2))


def test_against_one_method_there_are_only_its_pairs_and_they_are_corrected_for_those_alone():
    values = _skilled(30)
    (found,) = compare([Column(values, True, against=1)])
    assert [(p.first, p.second) for p in found.pairs] == [(0, 1), (1, 2)]
    every = _one(values)
    for pair in found.pairs:
        other = every.between(pair.first, pair.second)
        assert (pair.difference, pair.low) == pytest.approx((other.difference, other.low), abs=0.02)
    least, other = found.between(1, 2).p, every.between(1, 2).p
    assert 3 * least == pytest.approx(2 * other) and least > 0  # corrected for two comparisons, not for three
