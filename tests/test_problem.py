"""Measuring: the noise's unit, its stream, and where it falls."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from helpers.operators import CASES, Case, case
from mapga.operators import Diagonal, Identity
from mapga.pixels import sigma_to_sym
from mapga.problem import Problem, measure
from mapga.rng import standard_normal


@pytest.mark.parametrize(("unit", "std", "tolerance"), [("[0,1]", 0.1, 0.0007), ("[-1,1]", 0.05, 0.0004)])
def test_the_noise_level_has_a_unit(unit, std: float, tolerance: float):
    shape = (3, 256, 256)
    x = torch.zeros(1, *shape, dtype=torch.float64)
    problem = measure(x, Identity(shape), sigma_to_sym(0.05, unit), seed=0, indices=[0])
    assert float((problem.y - x).std()) == pytest.approx(std, abs=tolerance)
    assert problem.sigma_y == pytest.approx(std)


def test_noise_belongs_to_the_image_and_not_to_its_place():
    operator, x = case("deblur").operator, case("deblur").images(8)
    whole = measure(x, operator, 0.3, seed=5, indices=range(8)).y
    for batch in (1, 3, 8):
        parts = [
            measure(x[k : k + batch], operator, 0.3, seed=5, indices=range(k, min(k + batch, 8))).y
            for k in range(0, 8, batch)
        ]
        torch.testing.assert_close(torch.cat(parts), whole, atol=1e-14, rtol=0)
    order = [6, 1, 3]
    torch.testing.assert_close(
        measure(x[order], operator, 0.3, seed=5, indices=order).y, whole[order], atol=1e-14, rtol=0
    )


def test_noise_is_that_of_the_measurement_stream():
    operator = Identity((1, 4, 4))
    x = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    y = measure(x, operator, 0.5, seed=2, indices=[7, 3]).y
    assert torch.equal(y, 0.5 * standard_normal(2, "measurement", [7, 3], (1, 4, 4)).double())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_noise_falls_only_where_something_is_measured(case: Case):
    operator, x = case.operator, case.images(2)
    noise = measure(x, operator, 0.7, seed=0, indices=[0, 1]).y - operator.apply(x)
    seen = case.matrix.abs().sum(1) > 0
    flat = noise.flatten(1)
    assert not flat[:, ~seen].any()
    assert (flat[:, seen] != 0).all()
    assert operator.n_measurements == int(seen.sum())


def test_without_noise_y_is_exact():
    operator, x = case("box50").operator, case("box50").images(2)
    assert torch.equal(measure(x, operator, 0.0, seed=0, indices=[0, 1]).y, operator.apply(x))


@pytest.mark.parametrize("hidden", [7.0, math.nan, math.inf])
def test_what_is_not_measured_may_stand_as_anything(hidden: float):
    """People mark what is missing with NaN; an answer must not be made of it."""
    operator, x = case("box50").operator, case("box50").images(2)
    known = measure(x, operator, 0.1, seed=0, indices=[0, 1])
    problem = Problem(torch.where(operator.measured, known.y, hidden), operator, 0.1)
    assert torch.equal(problem.y, known.y)
    for answer in (operator.pinv, operator.adjoint, lambda r: operator.solve_gram(r, 0.3)):
        assert torch.equal(answer(problem.y - operator.apply(x)), answer(known.y - operator.apply(x)))


def test_measurements_are_real_numbers():
    """Integers, as a picture's file holds them, become floating-point; a mask cast to integers would blank them."""
    operator = Diagonal(torch.full((2, 2), 0.5), (1, 2, 2))
    for dtype in (torch.uint8, torch.int64):
        problem = Problem(torch.full((1, 1, 2, 2), 3, dtype=dtype), operator, 0.0)
        assert problem.y.dtype == torch.float32 and (problem.y == 3).all()
    with pytest.raises(ValueError, match="complex measurements: give their real and imaginary parts"):
        Problem(torch.zeros(1, 1, 2, 2, dtype=torch.complex64), operator, 0.0)


def test_measuring_leaves_the_image_alone():
    x = case("box50").images(2)
    before = x.clone()
    measure(x, case("box50").operator, 1.0, seed=0, indices=[0, 1])
    assert torch.equal(x, before)


def test_as_many_indices_as_images():
    """One index for three images would give all three the same noise."""
    with pytest.raises(ValueError, match=r"3 images.* 1 ind"):
        measure(case("box50").images(3), case("box50").operator, 0.1, seed=0, indices=[0])


@pytest.mark.parametrize("sigma_y", [-0.1, math.inf, math.nan])
def test_a_bad_noise_level_is_refused_by_value(sigma_y: float):
    with pytest.raises(ValueError, match=f"sigma_y={sigma_y}"):
        Problem(torch.zeros(1, 1, 2, 2), Identity((1, 2, 2)), sigma_y)
    with pytest.raises(ValueError, match=f"sigma_y={sigma_y}"):
        measure(torch.zeros(1, 1, 2, 2), Identity((1, 2, 2)), sigma_y, seed=0, indices=[0])


def test_a_problem_holds_no_truth_and_is_frozen():
    assert {field.name for field in dataclasses.fields(Problem)} == {"y", "operator", "sigma_y", "indices"}
    problem = Problem(torch.zeros(1, 1, 2, 2), Identity((1, 2, 2)), 0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.sigma_y = 1.0  # type: ignore[misc]
