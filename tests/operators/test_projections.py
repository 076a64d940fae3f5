"""Random projections: their number and spread, and what magnitudes and signs are of them."""

from __future__ import annotations

import pytest
import torch

from mapga.operators import ProjectionMagnitudes, ProjectionSigns, RandomProjections

SHAPE = (3, 8, 8)


def images(n: int = 2) -> torch.Tensor:
    return torch.randn(n, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(0))


@pytest.mark.parametrize(("fraction", "count"), [(0.25, 48), (1.0, 192), (0.001, 1)])
def test_there_are_as_many_as_asked_for(fraction: float, count: int):
    assert RandomProjections(SHAPE, fraction).n_measurements == count


def test_another_seed_draws_others_and_the_same_the_same():
    x, y = images(), RandomProjections(SHAPE).apply(images())
    assert torch.equal(RandomProjections(SHAPE).apply(x), y)
    other = RandomProjections(SHAPE, seed=1)
    assert not torch.equal(other.measured, RandomProjections(SHAPE).measured)
    assert not torch.equal(other.signs, RandomProjections(SHAPE).signs)


def test_each_projection_sees_every_pixel_of_its_channel():
    """One pixel alone is seen by most of them."""
    operator = RandomProjections(SHAPE, 1.0)
    pixel = torch.zeros(1, *SHAPE, dtype=torch.float64)
    pixel[0, 1, 3, 4] = 1
    assert int((operator.apply(pixel).abs() > 1e-3).sum()) > 50


@pytest.mark.parametrize(("make", "of"), [(ProjectionMagnitudes, torch.abs), (ProjectionSigns, torch.sign)])
def test_they_are_functions_of_the_projections(make, of):
    x = images()
    torch.testing.assert_close(make(SHAPE, 0.5, 3).apply(x), of(RandomProjections(SHAPE, 0.5, 3).apply(x)))


def test_signs_pass_vectors_through():
    operator, v = ProjectionSigns(SHAPE, 0.5), images()
    expected = RandomProjections(SHAPE, 0.5).adjoint(v)
    torch.testing.assert_close(operator.vjp(images(), v), expected)


def test_the_projections_inside_go_where_the_operator_goes():
    single = ProjectionSigns(SHAPE).to("cpu", torch.float32)
    assert single.apply(images().float()).dtype == torch.float32
    assert single.projections.signs.dtype == torch.float32


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5])
def test_bad_values_are_refused_by_name(fraction: float):
    for make in (RandomProjections, ProjectionMagnitudes, ProjectionSigns):
        with pytest.raises(ValueError, match=f"fraction={fraction}"):
            make(SHAPE, fraction)
