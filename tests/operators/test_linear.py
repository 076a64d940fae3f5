"""What holds for every linear operator, against its matrix at 8x8 in float64."""

from __future__ import annotations

import pytest
import torch

from helpers.operators import CASES, Case, case
from mapga.testing import operators

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def close(actual, expected, atol=1e-12, rtol=1e-10):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=rtol)


def test_it_is_the_matrix(case: Case):
    operators.matrix(case.operator, case.matrix)


@pytest.mark.parametrize("check", operators.checks(case("box50").operator), ids=lambda check: check.__name__)
def test_it_is_what_the_suite_takes_for_granted(case: Case, check):
    check(case.operator)


def test_solve_gram_without_c_is_the_pseudo_inverse(case: Case):
    r = case.measurements(3)
    inverse = torch.linalg.pinv(case.matrix @ case.matrix.T, rtol=1e-11, hermitian=True)
    close(case.operator.solve_gram(r, 0.0).flatten(1), r.flatten(1) @ inverse, rtol=1e-6, atol=1e-8)


def test_finite_with_noise(case: Case):
    operator = case.operator
    noise = torch.randn(2, *case.measurements(1).shape[1:], generator=torch.manual_seed(3), dtype=torch.float64)
    y = operator.apply(case.images(2)) + noise  # not even restricted
    for image in (
        operator.pinv(y),
        operator.adjoint(operator.solve_gram(y, 0.0)),
        operator.solve_gram(y, 1e-9),
    ):
        assert torch.isfinite(image).all()


def test_pixels_that_are_not_seen_are_never_read(case: Case):
    operator, y = case.operator, case.measurements(1)
    hidden = y == 0 if y.shape[1:] == case.shape and case.matrix.abs().sum(1).min() == 0 else torch.zeros_like(y) > 0
    dirty = torch.where(hidden, torch.full_like(y, 1e6), y)
    close(operator.pinv(dirty), operator.pinv(y))
    close(operator.adjoint(dirty), operator.adjoint(y))
    close(operator.restrict(dirty), y)


def test_number_of_measurements(case: Case):
    rows = int((case.matrix.abs().sum(1) > 1e-12).sum())
    assert case.operator.n_measurements == rows


@pytest.mark.parametrize("shape", [(1, 8, 4), (1, 4, 8), (2, 8, 8), (1, 16, 16)])
def test_an_image_of_another_size_is_refused_by_name(case: Case, shape: tuple[int, ...]):
    operator = case.operator
    with pytest.raises(ValueError, match=type(operator).__name__) as caught:
        operator.apply(torch.zeros(2, *shape, dtype=torch.float64))
    assert str(shape) in str(caught.value) and str(case.shape) in str(caught.value)


def test_a_float32_copy_agrees_and_leaves_the_original(case: Case):
    operator, x = case.operator, case.images(2)
    single = operator.to("cpu", torch.float32)
    assert single.apply(x.float()).dtype == torch.float32
    close(single.apply(x.float()).double(), operator.apply(x), atol=2e-6, rtol=0)
    assert operator.singular_values.dtype == torch.float64
