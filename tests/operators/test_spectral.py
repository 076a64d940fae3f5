"""The closed-form singular value decompositions, A = U diag(s) V^T."""

from __future__ import annotations

import pytest
import torch

from helpers.operators import CASES, Case
from mapga.testing.algebra import dense_matrix

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


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
