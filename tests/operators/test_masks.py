"""Masks, pixel by pixel, at 8x8 and 32x32."""

from __future__ import annotations

import pytest
import torch

from mapga.operators import AlternateRows, CentralBox, Diagonal, HalfMask, Identity, PixelGrid

DRAWN = {  # "#" is seen, "." is not
    "box50": (lambda s: CentralBox(s, 0.5), ["########"] * 2 + ["##....##"] * 4 + ["########"] * 2),
    "box25": (lambda s: CentralBox(s, 0.25), ["########"] * 3 + ["###..###"] * 2 + ["########"] * 3),
    "expand": (
        lambda s: CentralBox(s, 0.25, keep="inside"),
        ["........"] * 3 + ["...##..."] * 2 + ["........"] * 3,
    ),
    "half": (HalfMask, ["####...."] * 8),
    "sr2x": (PixelGrid, ["#.#.#.#.", "........"] * 4),
    "altlines": (AlternateRows, ["########", "........"] * 4),
    "denoise": (Identity, ["########"] * 8),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("channels", [1, 3])
def test_8x8_pixel_by_pixel(name: str, channels: int):
    make, drawing = DRAWN[name]
    seen = torch.tensor([[character == "#" for character in line] for line in drawing])
    operator = make((channels, 8, 8))
    assert torch.equal(operator.measured, seen.expand(1, channels, 8, 8))
    assert torch.equal(operator.singular_values, seen.double().expand(1, channels, 8, 8))


@pytest.mark.parametrize(
    ("name", "is_seen"),
    [
        ("box50", lambda i, j: not (8 <= i < 24 and 8 <= j < 24)),
        ("box25", lambda i, j: not (12 <= i < 20 and 12 <= j < 20)),
        ("expand", lambda i, j: 12 <= i < 20 and 12 <= j < 20),
        ("half", lambda i, j: j < 16),
        ("sr2x", lambda i, j: i % 2 == 0 and j % 2 == 0),
        ("altlines", lambda i, j: i % 2 == 0),
        ("denoise", lambda i, j: True),
    ],
)
def test_32x32_pixel_by_pixel(name: str, is_seen):
    seen = torch.tensor([[is_seen(i, j) for j in range(32)] for i in range(32)])
    operator = DRAWN[name][0]((1, 32, 32))
    assert torch.equal(operator.measured[0, 0], seen)
    assert operator.n_measurements == int(seen.sum())


@pytest.mark.parametrize("name", DRAWN)
def test_a_measurement_keeps_the_images_shape_with_zeros_where_nothing_is_seen(name: str):
    operator = DRAWN[name][0]((3, 8, 8))
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64) + 1
    y = operator.apply(x)
    seen = operator.measured.expand_as(x)
    assert y.shape == x.shape
    assert torch.equal(y[seen], x[seen]) and not y[~seen].any()
    assert torch.equal(operator.preview(y), y)
    assert torch.equal(operator.unseen(y), ~seen[0, 0])


def test_box25_and_expand_are_complements():
    shape = (3, 32, 32)
    assert torch.equal(CentralBox(shape, 0.25).measured, ~CentralBox(shape, 0.25, "inside").measured)


def test_pseudo_inverse_of_a_three_pixel_mask():
    operator = Diagonal(torch.tensor([[1.0, 0.0, 1.0]]), (1, 1, 3))
    y = torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64).reshape(1, 1, 1, 3)
    assert torch.equal(operator.pinv(y), y)


def test_pseudo_inverse_divides_by_the_weights():
    operator = Diagonal(torch.tensor([[1.0, 0.5, 0.0]]), (1, 1, 3))
    y = torch.ones(1, 1, 1, 3, dtype=torch.float64)
    assert operator.pinv(y).flatten().tolist() == [1.0, 2.0, 0.0]
    assert operator.adjoint(y).flatten().tolist() == [1.0, 0.5, 0.0]


def test_weights_may_differ_between_channels():
    weights = torch.arange(12.0).reshape(3, 2, 2)
    operator = Diagonal(weights, (3, 2, 2))
    assert torch.equal(operator.apply(torch.ones(1, 3, 2, 2, dtype=torch.float64))[0], weights.double())
    assert operator.n_measurements == 11


@pytest.mark.parametrize(
    "weights",
    [
        torch.tensor([[1.0, -0.5]]),
        torch.tensor([[1.0, float("nan")]]),
        torch.tensor([[1.0, float("inf")]]),
        torch.ones(1, 3),
        torch.ones(2),
        torch.ones(2, 1, 2),
    ],
)
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        Diagonal(weights, (1, 1, 2))


@pytest.mark.parametrize("width", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_box_outside_the_image_is_refused_by_value(width: float):
    with pytest.raises(ValueError, match=f"width={width}"):
        CentralBox((1, 8, 8), width)


def test_unknown_choices_are_refused_by_value():
    with pytest.raises(ValueError, match="keep='middle'"):
        CentralBox((1, 8, 8), 0.5, "middle")
    for stride in (0, 9):
        with pytest.raises(ValueError, match=f"stride={stride}"):
            PixelGrid((1, 8, 8), stride)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_however_small_give_no_infinity(dtype: torch.dtype):
    weights = torch.exp(-torch.linspace(0, 740, 64, dtype=torch.float64)).reshape(8, 8)
    operator = Diagonal(weights, (1, 8, 8)).to("cpu", dtype)
    zero, one = torch.zeros(1, 1, 8, 8, dtype=dtype), torch.ones(1, 1, 8, 8, dtype=dtype)
    for c in (0.0, 1e-50, 1e-320, 0.3, torch.tensor([0.0], dtype=dtype), torch.tensor([0.3], dtype=dtype)):
        assert torch.equal(operator.solve_gram(zero, c), zero)
        assert operator.solve_gram(one, c).isfinite().all()
    assert torch.equal(operator.pinv(zero), zero) and operator.pinv(one).isfinite().all()
