"""Noise schedules: known values, strict decrease, ends, and refusals that name the value."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from mapga.schedules import (
    DDPM,
    Cosine,
    Explicit,
    Geometric,
    Karras,
    Linear,
    Quadratic,
    check_decreasing,
    karras_levels,
)

SPACED = [Karras, Linear, Quadratic, Cosine, Geometric]


@pytest.mark.parametrize(
    ("points", "index", "value"),
    [
        (40, 0, 80.0),
        (40, 1, 69.450946),
        (40, 17, 4.3655617),
        (40, 22, 1.3823680),
        (40, 39, 0.002),
        (201, 106, 1.9128436),
    ],
)
def test_karras_known_values(points: int, index: int, value: float):
    level = float(Karras().levels(points)[index])
    assert level == pytest.approx(value, rel=4e-8)
    if index in (0, points - 1):
        assert level == value, "the ends are exact"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(4, 9.0, 1.0), [9, 7, 5, 3, 1]),
        (Quadratic(4, 17.0, 1.0), [17, 10, 5, 2, 1]),
        (Cosine(3, 5.0, 1.0), [5, 4, 2, 1]),
        (Geometric(3, 8.0, 1.0), [8, 4, 2, 1]),
        (Karras(2, 16.0, 1.0, rho=2.0), [16, 6.25, 1]),
        (Karras(4, 9.0, 1.0, rho=1.0), [9, 7, 5, 3, 1]),
    ],
    ids=lambda item: type(item).__name__,
)
def test_each_curve(schedule, expected: list[float]):
    assert schedule.levels(len(expected)).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", SPACED)
@pytest.mark.parametrize("points", [2, 3, 7, 21, 50, 101, 1001])
@pytest.mark.parametrize(("high", "low"), [(80.0, 0.002), (0.5, 0.002), (157.0, 0.3)])
def test_strictly_decreasing_between_the_ends(kind, points: int, high: float, low: float):
    levels = kind(points - 1, high, low).levels(points)
    assert levels.dtype == torch.float64 and levels.shape == (points,)
    assert levels[0] == high and levels[-1] == low
    assert (levels.diff() < 0).all()


@pytest.mark.parametrize("kind", SPACED)
def test_a_single_level_is_the_first(kind):
    assert kind(1, 10.0, 0.1).levels(1).tolist() == [10.0]


@pytest.mark.parametrize("kind", [*SPACED, DDPM])
@pytest.mark.parametrize("steps", [0, -3])
def test_steps_below_one_are_refused_by_value(kind, steps: int):
    with pytest.raises(ValueError, match=f"schedule.steps={steps}"):
        kind(steps)


@pytest.mark.parametrize("kind", [*SPACED, DDPM])
@pytest.mark.parametrize(
    ("high", "low"),
    [(1.0, 1.0), (1.0, 2.0), (1.0, 0.0), (1.0, -1.0), (math.inf, 1.0), (math.nan, 1.0), (1.0, math.nan)],
)
def test_a_range_that_is_none_is_refused_by_value(kind, high: float, low: float):
    with pytest.raises(ValueError, match=rf"sigma_max={high}, schedule.sigma_min={low}"):
        kind(5, high, low)
    with pytest.raises(ValueError, match=f"sigma_max={high} to sigma_min={low}"):
        kind(5).spanning(high, low)


@pytest.mark.parametrize("rho", [0.0, -7.0, math.inf, math.nan])
def test_a_curvature_that_is_none_is_refused_by_value(rho: float):
    with pytest.raises(ValueError, match=f"rho={rho}"):
        Karras(rho=rho)


def test_karras_levels_start_anywhere():
    starts = torch.tensor([80.0, 5.0, 0.002], dtype=torch.float64)
    for u in (0.0, 0.3, 1.0):
        expected = [((1 - u) * s ** (1 / 7) + u * 0.002 ** (1 / 7)) ** 7 for s in starts.tolist()]
        assert karras_levels(u, starts).tolist() == pytest.approx(expected, rel=1e-12)
    u = torch.arange(40, dtype=torch.float64) / 39
    torch.testing.assert_close(karras_levels(u), Karras().levels(40), rtol=1e-13, atol=0)


@pytest.mark.parametrize("kind", SPACED)
def test_spanning_gives_the_same_kind_over_another_range(kind):
    original = kind(6, 80.0, 0.002)
    other = original.spanning(80.0, 0.5)
    assert type(other) is kind and other.steps == 6
    assert torch.equal(other.levels(7), kind(6, 80.0, 0.5).levels(7))
    assert original.sigma_min == 0.002, "the original is left as it was"


def test_spanning_keeps_the_curvature():
    assert torch.equal(Karras(6, rho=3.0).spanning(10.0, 0.5).levels(7), Karras(6, 10.0, 0.5, rho=3.0).levels(7))


# DDPM


def _official_sigmas() -> list[float]:
    """sigma_t of beta = linspace(1e-4, 2e-2, 1000), by plain loops."""
    sigmas, alpha_bar = [], 1.0
    for t in range(1000):
        alpha_bar *= 1 - (1e-4 + t * (2e-2 - 1e-4) / 999)
        sigmas.append(math.sqrt((1 - alpha_bar) / alpha_bar))
    return sigmas


@pytest.mark.parametrize(("points", "first"), [(10, 900), (20, 950), (50, 980), (100, 990), (1000, 999)])
def test_ddpm_over_its_whole_range_is_the_official_grid(points: int, first: int):
    sigmas = _official_sigmas()
    skip = 1000 // points
    expected = [sigmas[t] for t in range(0, 1000, skip)][::-1]
    levels = DDPM(points, sigma_max=160.0, spacing="official").levels(points)
    assert levels.tolist() == pytest.approx(expected, rel=1e-10)
    assert float(levels[0]) == pytest.approx(sigmas[first], rel=1e-10)


def test_ddpm_published_values():
    levels = DDPM(20, sigma_max=160.0, spacing="official").levels(20)
    assert levels[:1].tolist() == pytest.approx([97.1], abs=0.05)
    assert levels[-5:].tolist() == pytest.approx([0.724, 0.522, 0.342, 0.176, 0.010], abs=5e-4)
    assert float(DDPM(50, 160.0, spacing="official").levels(50)[0]) == pytest.approx(130.1, abs=0.05)
    assert float(DDPM(100, 160.0, spacing="official").levels(100)[0]) == pytest.approx(143.8, abs=0.05)


@pytest.mark.parametrize("spacing", ["ends", "official"])
@pytest.mark.parametrize("points", [1, 2, 5, 20, 333, 881])
def test_ddpm_stays_within_its_range(points: int, spacing: str):
    schedule = DDPM(points, sigma_max=80.0, sigma_min=0.02, spacing=spacing)
    levels = schedule.levels(points)
    assert len(levels) == points and (levels.diff() < 0).all()
    assert levels[0] <= schedule.sigma_max <= 80.0 and levels[-1] >= schedule.sigma_min >= 0.02


@pytest.mark.parametrize("points", [1, 2, 3, 5, 20, 333, 881])
def test_ddpm_starts_and_ends_where_it_says(points: int):
    sigmas = [sigma for sigma in _official_sigmas() if 0.02 <= sigma <= 80.0]
    schedule = DDPM(points, sigma_max=80.0, sigma_min=0.02)
    assert (schedule.sigma_max, schedule.sigma_min) == pytest.approx((sigmas[-1], sigmas[0]), rel=1e-10)
    levels = schedule.levels(points)
    assert levels[0] == schedule.sigma_max and (points == 1 or levels[-1] == schedule.sigma_min)
    places = [sigmas.index(min(sigmas, key=lambda one: abs(one - level))) for level in levels.tolist()]
    skips = [high - low for high, low in pairwise(places)]
    assert not skips or max(skips) - min(skips) <= 1


def test_ddpm_spans_another_range_of_its_timesteps():
    half = DDPM(5, 80.0, spacing="official").spanning(80.0, 0.5)
    assert half.spacing == "official" and 0.5 <= half.sigma_min < 0.52 and half.levels(6)[-1] == half.sigma_min


def test_ddpm_says_how_many_it_has():
    with pytest.raises(ValueError, match=r"has 1000 timesteps .* 1001 levels"):
        DDPM(1000, sigma_max=160.0).levels(1001)
    with pytest.raises(ValueError, match=r"has no timesteps between sigma_min=0.002 and sigma_max=0.009"):
        DDPM(3, sigma_max=0.009)


# Explicit


def test_explicit_gives_back_what_was_written():
    schedule = Explicit([3, 2, 0.5])
    assert schedule.levels(3).tolist() == [3.0, 2.0, 0.5]
    assert (schedule.steps, schedule.sigma_max, schedule.sigma_min) == (2, 3.0, 0.5)
    assert Explicit([3, 2, 0.5], steps=3).steps == 3


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([3, 3, 1], r"level 0 is 3.0, level 1 is 3.0"),
        ([3, 1, 2], r"level 1 is 1.0, level 2 is 2.0"),
        ([3, 0.0], r"level 1 is 0.0"),
        ([3, -1.0], r"level 1 is -1.0"),
        ([math.inf, 1], r"level 0 is inf"),
        ([3, math.nan, 1], r"level 1 is nan"),
        ([3], r"at least two levels"),
        ([], r"at least two levels"),
    ],
)
def test_explicit_names_the_offender(levels: list[float], message: str):
    with pytest.raises(ValueError, match=message):
        Explicit(levels)


def test_explicit_refuses_another_number_of_levels_and_another_range():
    with pytest.raises(ValueError, match="has 3 values, but this solver visits 5 levels"):
        Explicit([3, 2, 1]).levels(5)
    with pytest.raises(ValueError, match=r"cannot be stretched to 80.0..0.5"):
        Explicit([3, 2, 1]).spanning(80.0, 0.5)


def test_check_decreasing_accepts_what_it_should():
    check_decreasing([5.0])
    check_decreasing([5.0, 1.0, 1e-300])
