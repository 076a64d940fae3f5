"""What the number of images solved together changes: in float64 no pixel, in float32 at one size not a bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from helpers.solvers import SOLVERS
from mapga.datasets import MNIST
from mapga.operators import CentralBox
from mapga.pixels import from_uint8, to_uint8
from mapga.priors import NetworkPrior
from mapga.problem import measure
from mapga.rng import NoiseSource
from mapga.run.batch import solve
from mapga.schedules import Karras

DIGITS = MNIST(limit=4)
SHAPE = DIGITS.image_shape

some_solvers = pytest.mark.parametrize("name", ["ct_zsie", "pgdm"])  # without a vector-Jacobian product, and with


@pytest.fixture(scope="module")
def network() -> NetworkPrior:
    return NetworkPrior.shipped()


def restored(name: str, prior: NetworkPrior, batches: Sequence[list[int]], dtype: torch.dtype) -> dict[int, np.ndarray]:
    """Pixels before rounding, by index, of digits that are solved in these batches."""
    prior, operator = prior.to("cpu", dtype), CentralBox(SHAPE, 0.5).to("cpu", dtype)
    found = {}
    for indices in batches:
        clean = from_uint8(np.stack([DIGITS[k].image for k in indices])).to(dtype)
        problem = measure(clean, operator, 0.05, seed=0, indices=indices)
        noise = NoiseSource(0, indices, SHAPE, dtype=dtype)
        x, _ = solve(SOLVERS[name](Karras(2)), problem, prior, noise)
        found |= dict(zip(indices, x, strict=True))
    return found


@some_solvers
def test_in_float64_batches_of_any_size_give_the_same_pixels(name: str, network: NetworkPrior):
    together, apart, three = (
        restored(name, network, batches, torch.float64) for batches in ([[0, 1, 2, 3]], [[0], [1]], [[0, 1, 2]])
    )
    for other in (apart, three):
        for k, x in other.items():
            torch.testing.assert_close(x, together[k], rtol=0, atol=1e-10)
            assert np.array_equal(to_uint8(x[None], "round"), to_uint8(together[k][None], "round"))


@some_solvers
def test_in_float32_company_and_order_change_nothing_at_one_size(name: str, network: NetworkPrior):
    one, other = (restored(name, network, batches, torch.float32) for batches in ([[0, 1], [2, 3]], [[3, 0], [1, 2]]))
    assert all(torch.equal(one[k], other[k]) for k in range(4))
