"""Separable blur: taps, padding, and the official variant."""

from __future__ import annotations

import pytest
import torch

from helpers.matrices import box_blur_line, official_blur_matrix
from mapga.operators import SeparableBlur
from mapga.operators.blur import blur_matrix
from mapga.testing.algebra import dense_matrix


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def test_nine_taps_and_row_sums():
    line = SeparableBlur((1, 32, 32)).matrix
    assert ((line > 0).sum(1)[4:-4] == 9).all()
    close(line.sum(1)[4:-4], torch.ones(24, dtype=torch.float64))
    close(line.sum(1)[:4], torch.tensor([5.0, 6.0, 7.0, 8.0]).double() / 9)  # zeros outside darken the border
    assert torch.equal(line, line.T)


@pytest.mark.parametrize("size", [3, 4, 5, 9])
@pytest.mark.parametrize("channels", [1, 3])
def test_without_a_cut_it_is_the_kronecker_square(size: int, channels: int):
    line = box_blur_line(8, size)
    expected = torch.block_diag(*[torch.kron(line, line)] * channels)
    operator = SeparableBlur((channels, 8, 8), size, singular_cut=0)
    close(dense_matrix(operator.apply, (channels, 8, 8), dtype=torch.float64), expected)


def test_zero_padding_is_a_convolution_with_zeros():
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64, generator=torch.manual_seed(0))
    kernel = torch.full((3, 1, 9, 9), 1 / 81, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(x, kernel, padding=4, groups=3)
    close(SeparableBlur((3, 16, 16), singular_cut=0).apply(x), expected)


def test_circular_padding_is_a_product_of_spectra():
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64, generator=torch.manual_seed(0))
    kernel = torch.zeros(16, 16, dtype=torch.float64)
    for i in range(-4, 5):
        for j in range(-4, 5):
            kernel[i, j] = 1 / 81
    expected = torch.fft.ifft2(torch.fft.fft2(x) * torch.fft.fft2(kernel)).real
    operator = SeparableBlur((1, 16, 16), padding="circular", singular_cut=0)
    close(operator.apply(x), expected, 1e-10)
    zero = SeparableBlur((1, 16, 16), singular_cut=0).apply(x)
    assert (zero - expected).abs().max() > 0.01, "the two paddings are different operators"


def test_taps_are_placed_where_they_are_told():
    taps = torch.tensor([1.0, 2.0, 3.0])
    assert blur_matrix(taps, 4).tolist() == [[2, 3, 0, 0], [1, 2, 3, 0], [0, 1, 2, 3], [0, 0, 1, 2]]
    assert blur_matrix(taps, 3, "circular", first=0).tolist() == [[1, 2, 3], [3, 1, 2], [2, 3, 1]]


def test_the_cut_drops_small_singular_values_and_nothing_else():
    whole, cut = SeparableBlur((1, 16, 16), singular_cut=0), SeparableBlur((1, 16, 16), singular_cut=0.01)
    s = whole.singular_values
    assert 0 < int((s < 0.01).sum()) < s.numel()
    assert torch.equal(cut.singular_values, torch.where(s < 0.01, 0.0, s))
    assert cut.measured.all(), "a dropped coordinate is measured: its y is noise"


def test_the_official_variant_has_eight_taps():
    line = SeparableBlur((1, 32, 32), compat="ddrm").matrix
    assert ((line > 0).sum(1)[4:-4] == 8).all()
    close(line.sum(1)[4:-4], torch.full((24,), 8 / 9, dtype=torch.float64))
    assert line[10, 6] > 0 and line[10, 13] > 0 and line[10, 14] == 0  # offsets -4 .. 3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 16])
def test_the_official_variant_is_the_tiled_one(side: int, channels: int):
    operator = SeparableBlur((channels, side, side), compat="ddrm")
    dense = dense_matrix(operator.apply, (channels, side, side), dtype=torch.float64)
    close(dense, official_blur_matrix(side, channels), 1e-10)


def test_the_official_order_matters_for_colour_only():
    plain = {c: SeparableBlur((c, 16, 16), compat="ddrm") for c in (1, 3)}
    line = plain[1].matrix
    u, s, vt = torch.linalg.svd(line)
    line_cut = u @ torch.diag(torch.where(s < 0.03, 0.0, s)) @ vt
    x = torch.ones(1, 1, 16, 16, dtype=torch.float64)
    close(plain[1].apply(x), line_cut @ x @ line_cut.T, 1e-10)
    colour = plain[3].apply(x.expand(1, 3, 16, 16))
    assert (colour[:, :1] - plain[1].apply(x)).abs().max() > 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 16}, "size=16"),
        ({"padding": "mirror"}, "padding='mirror'"),
        ({"compat": "official"}, "compat='official'"),
        ({"singular_cut": -0.1}, "singular_cut=-0.1"),
        ({"singular_cut": 1.0}, "singular_cut=1.0"),
        ({"compat": "ddrm", "padding": "circular"}, "padding='circular'"),
        ({"compat": "ddrm", "singular_cut": 0.1}, "singular_cut=0.1"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SeparableBlur((1, 8, 8), **arguments)


def test_an_oblong_image_is_refused():
    with pytest.raises(ValueError, match="8x16"):
        SeparableBlur((1, 8, 16))


def test_an_inverse_that_was_looked_at_does_not_follow_to_another_dtype():
    """Rounded from float64 it would be another than that of the float32 values: answers would depend on who looked."""
    operator = SeparableBlur((1, 12, 12), 5)
    y = operator.apply(torch.rand(1, 1, 12, 12, dtype=torch.float64))
    fresh = operator.to("cpu", torch.float32).pinv(y.float())
    with torch.inference_mode():
        operator.pinv(y)
    assert torch.equal(operator.to("cpu", torch.float32).pinv(y.float()), fresh)
    y = y.clone().requires_grad_()
    torch.autograd.grad(operator.pinv(y).sum(), y)  # of what was kept in inference mode
