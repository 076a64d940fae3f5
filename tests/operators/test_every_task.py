"""What holds for the operator of every task, linear or not."""

from __future__ import annotations

import pickle

import pytest
import torch

from helpers.operators import TASKS, Case

pytestmark = pytest.mark.parametrize("case", TASKS, ids=lambda case: case.name)


def test_a_batch_equals_single_images(case: Case):
    x, operator = case.images(3), case.operator
    together = operator.apply(x)
    for k in range(3):
        torch.testing.assert_close(operator.apply(x[k : k + 1]), together[k : k + 1], atol=1e-13, rtol=1e-13)


def test_it_is_deterministic_and_travels(case: Case):
    x = case.images(2)
    once, again, there = (
        one.apply(x) for one in (case.operator, case.operator, pickle.loads(pickle.dumps(case.operator)))
    )
    assert torch.equal(once, again) and torch.equal(once, there)


def test_it_says_how_much_it_measures(case: Case):
    y = case.operator.apply(case.images(1))
    seen = case.operator.restrict(torch.ones_like(y))
    assert case.operator.n_measurements == int(seen.sum())


def test_it_can_be_looked_at(case: Case):
    assert case.operator.preview(case.operator.apply(case.images(2))).shape == (2, *case.shape)


def test_images_of_another_shape_are_refused(case: Case):
    with pytest.raises(ValueError, match="was made for images of shape"):
        case.operator.apply(torch.zeros(1, case.channels, 5, 7, dtype=torch.float64))


def test_it_is_differentiable(case: Case):
    x = case.images(1).requires_grad_()
    y = case.operator.apply(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.isfinite(gradient).all()
