"""Phase retrieval: its transform by definition, what it cannot tell apart, and what of that is scored."""

from __future__ import annotations

import cmath
import math
from itertools import product

import pytest
import torch

from mapga.operators import CentralBox, PhaseRetrieval

SHAPE = (1, 4, 4)


def images(n: int = 3) -> torch.Tensor:
    return torch.randn(n, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(0))


def test_it_is_the_transform_by_its_definition():
    """Frequencies -3..2 of a side of 6 = 4 + 2 pixels, without the phase that the place of the padding has."""
    x, y = images(1), PhaseRetrieval(SHAPE, 0.25).apply(images(1))
    assert y.shape == (1, 1, 6, 6)
    for k, m in product(range(-3, 3), repeat=2):
        terms = (
            float(x[0, 0, i, j]) * cmath.exp(-2j * math.pi * (k * i + m * j) / 6)
            for i, j in product(range(4), repeat=2)
        )
        assert float(y[0, 0, k + 3, m + 3]) == pytest.approx(abs(sum(terms)) / 6, abs=1e-12)


def test_energy_is_kept():
    x, y = images(), PhaseRetrieval(SHAPE, 0.5).apply(images())
    torch.testing.assert_close(y.square().flatten(1).sum(1), x.square().flatten(1).sum(1))


def test_the_better_of_a_picture_and_its_rotation_is_scored():
    operator, truth = PhaseRetrieval(SHAPE), images()
    answers = truth + 0.1
    answers[1] = answers[1].rot90(2, (-2, -1))
    torch.testing.assert_close(operator.nearest(answers, truth), truth + 0.1)


def test_other_operators_leave_answers_as_they_are():
    x = images()
    assert CentralBox(SHAPE, 0.5).nearest(x, x.flip(-2, -1)) is x


@pytest.mark.parametrize("padding", [0.0, -0.5, 0.1, math.inf, math.nan])
def test_bad_values_are_refused_by_name(padding: float):
    with pytest.raises(ValueError, match=f"padding={padding}"):
        PhaseRetrieval(SHAPE, padding)
