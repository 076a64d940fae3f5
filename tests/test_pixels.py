"""Ranges, units and rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mapga.pixels import from_uint8, sigma_to_sym, to_sym, to_uint8, to_unit


def test_unit_and_sym():
    assert to_unit(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0.0, 0.5, 1.0]
    assert to_sym(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1.0, 0.0, 1.0]


def test_a_noise_level_has_a_unit():
    assert sigma_to_sym(0.05, "[0,1]") == pytest.approx(0.1)
    assert sigma_to_sym(0.05, "[-1,1]") == 0.05
    assert sigma_to_sym(0.0, "[0,1]") == 0.0


@pytest.mark.parametrize("sigma", [-0.1, math.inf, math.nan])
def test_a_bad_noise_level_is_refused_by_value(sigma: float):
    with pytest.raises(ValueError, match=f"sigma_y={sigma}"):
        sigma_to_sym(sigma, "[-1,1]")


def test_an_unknown_unit_is_refused_by_name():
    with pytest.raises(ValueError, match=r"sigma_y_unit='\[0,255\]'"):
        sigma_to_sym(0.1, "[0,255]")


@pytest.mark.parametrize(
    ("rounding", "expected"), [("round", [255, 128, 128, 255, 0]), ("truncate", [254, 127, 127, 255, 0])]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rounding(rounding, expected: list[int], dtype: torch.dtype):
    unit = torch.tensor([0.999, 127.6 / 255, 0.5, 1.01, -0.01], dtype=dtype)
    stored = to_uint8(to_sym(unit).reshape(1, 1, 1, 5), rounding)
    assert stored.dtype == np.uint8 and stored.shape == (1, 1, 5, 1)
    assert stored.ravel().tolist() == expected


def test_rounding_by_default_is_to_the_nearest():
    x = to_sym(torch.tensor([100.49, 100.51], dtype=torch.float64) / 255).reshape(1, 1, 1, 2)
    assert to_uint8(x).ravel().tolist() == [100, 101]


@pytest.mark.parametrize("rounding", ["round", "truncate"])
def test_every_level_survives_a_round_trip(rounding):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for dtype in (torch.float64, torch.float32):
        assert np.array_equal(to_uint8(from_uint8(levels).to(dtype), rounding), levels)


def test_channels_go_first_and_come_back_last():
    image = np.zeros((2, 4, 5, 3), dtype=np.uint8)
    image[1, 2, 3] = (10, 20, 30)
    x = from_uint8(image)
    assert x.shape == (2, 3, 4, 5) and x.dtype == torch.float64
    assert x[1, :, 2, 3].tolist() == pytest.approx([2 * v / 255 - 1 for v in (10, 20, 30)])
    assert x[0].unique().tolist() == [-1.0]
    assert np.array_equal(to_uint8(x), image)


def test_only_uint8_is_read():
    with pytest.raises(TypeError, match="float32"):
        from_uint8(np.zeros((1, 2, 2, 1), dtype=np.float32))


def test_an_unknown_rounding_is_refused_by_name():
    with pytest.raises(ValueError, match="rounding='floor'"):
        to_uint8(torch.zeros(1, 1, 1, 1), "floor")
