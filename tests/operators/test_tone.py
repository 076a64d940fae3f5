"""Tone curves: known values, and what is straight through."""

from __future__ import annotations

import math

import pytest
import torch

from mapga.operators import Gamma, LinearLightBlur, Quantization, Saturation, SeparableBlur

SHAPE = (1, 1, 5)


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, *SHAPE)


def test_quantization_rounds_to_even_levels():
    x = line(-1.4, -0.6, 0.01, 0.4, 2.0)
    assert Quantization(SHAPE, bits=1).apply(x).flatten().tolist() == [-1, -1, 1, 1, 1]
    assert Quantization(SHAPE, bits=2).apply(x).flatten().tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1 / 3, 1])
    levels = Quantization(SHAPE, bits=8).apply(x).flatten().add(1).mul(255 / 2)
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-12)


def test_quantization_passes_vectors_through_where_it_does_not_clip():
    v = line(1, 2, 3, 4, 5)
    product = Quantization(SHAPE).vjp(line(-1.4, -0.6, 0.0, 0.4, 2.0), v)
    assert product.flatten().tolist() == [0, 2, 3, 4, 0]


def test_saturation_doubles_and_clips():
    x = line(-0.9, -0.5, 0.1, 0.49, 0.51)
    assert Saturation(SHAPE).apply(x).flatten().tolist() == pytest.approx([-1, -1, 0.2, 0.98, 1])
    assert Saturation(SHAPE).vjp(x, torch.ones_like(x)).flatten()[[0, 2, 4]].tolist() == [0, 2, 0]


def test_gamma_keeps_black_and_white():
    y = Gamma(SHAPE, 2.0).apply(line(-1, 0, 1, 0.2, -1.2)).flatten().tolist()
    assert y == pytest.approx([-1, -0.5, 1, 2 * 0.36 - 1, -2 * 0.01 - 1])


def test_blurred_light_is_the_blur_of_light():
    shape = (1, 8, 8)
    x = torch.rand(2, *shape, dtype=torch.float64, generator=torch.manual_seed(0)) * 2 - 1
    expected = SeparableBlur(shape, 5).apply(2 * ((x + 1) / 2) ** 2.2 - 1)
    torch.testing.assert_close(LinearLightBlur(shape, 5).apply(x), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantization(SHAPE, bits=0), "bits=0"),
        (lambda: Quantization(SHAPE, bits=9), "bits=9"),
        (lambda: Saturation(SHAPE, gain=1.0), "gain=1.0"),
        (lambda: Saturation(SHAPE, gain=math.inf), "gain=inf"),
        (lambda: Gamma(SHAPE, gamma=0.5), "gamma=0.5"),
        (lambda: LinearLightBlur((1, 8, 8), gamma=math.nan), "gamma=nan"),
    ],
)
def test_bad_values_are_refused_by_name(make, message: str):
    with pytest.raises(ValueError, match=message):
        make()
