"""The closed-form singular value decompositions, A = U diag(s) V^T."""

from __future__ import annotations

import pytest
import torch

from helpers.linalg import dense_matrix
from helpers.operators import SPECTRAL, Case

pytestmark = pytest.mark.parametrize("case", SPECTRAL, ids=lambda case: case.name)


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def test_v_is_orthogonal(case: Case):
    v = dense_matrix(case.operator.from_spectral, case.shape, dtype=torch.float64)
    close(v.T @ v, torch.eye(len(v), dtype=torch.float64))
    vt = dense_matrix(case.operator.to_spectral, case.shape, dtype=torch.float64)
    close(vt, v.T)


def test_u_has_orthonormal_columns(case: Case):
    operator = case.operator
    measured = operator.measured.flatten()
    u = dense_matrix(operator.measurement_from_spectral, case.shape, dtype=torch.float64)
    close(u[:, measured].T @ u[:, measured], torch.eye(int(measured.sum()), dtype=torch.float64))
    assert not u[:, ~measured].any(), "coordinates that are not measured are ignored"
    ut = dense_matrix(operator.measurement_to_spectral, tuple(case.measurements(1).shape[1:]), dtype=torch.float64)
    close(ut, u.T)


def test_the_factors_give_the_matrix(case: Case):
    operator = case.operator
    u = dense_matrix(operator.measurement_from_spectral, case.shape, dtype=torch.float64)
    vt = dense_matrix(operator.to_spectral, case.shape, dtype=torch.float64)
    close(u @ torch.diag(operator.singular_values.flatten()) @ vt, case.matrix)


def test_singular_values_are_those_of_the_matrix(case: Case):
    ours = case.operator.singular_values.flatten().sort(descending=True).values
    dense = torch.linalg.svdvals(case.matrix)
    close(ours[: len(dense)], dense)
    assert not ours[len(dense) :].any()


def test_round_trips(case: Case):
    operator, x, y = case.operator, case.images(3), case.measurements(3)
    close(operator.from_spectral(operator.to_spectral(x)), x)
    close(operator.to_spectral(operator.from_spectral(x)), x)
    close(operator.measurement_from_spectral(operator.measurement_to_spectral(y)), y)


def test_shapes_of_the_attributes(case: Case):
    operator = case.operator
    assert operator.singular_values.shape == (1, *case.shape) == operator.measured.shape
    assert operator.measured.dtype == torch.bool
    assert not operator.singular_values[~operator.measured].any()
    assert (operator.singular_values >= 0).all()
    assert operator.to_spectral(case.images(5)).shape == (5, *case.shape)
