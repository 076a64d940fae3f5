"""Block means."""

from __future__ import annotations

import pytest
import torch

from mapga.operators import BlockMean


def test_known_block_means():
    x = torch.arange(64, dtype=torch.float64).reshape(1, 1, 8, 8)
    operator = BlockMean((1, 8, 8), 4)
    y = operator.apply(x)
    torch.testing.assert_close(y, torch.tensor([[[[13.5, 17.5], [45.5, 49.5]]]], dtype=torch.float64))
    torch.testing.assert_close(operator.pinv(y), y.repeat_interleave(4, -1).repeat_interleave(4, -2))
    torch.testing.assert_close(operator.apply(operator.pinv(y)), y, atol=1e-13, rtol=0)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 8), (3, 32, 32)])
def test_equals_adaptive_average_pooling(shape: tuple[int, int, int], factor: int):
    x = torch.randn(2, *shape, dtype=torch.float64, generator=torch.manual_seed(0))
    pool = torch.nn.AdaptiveAvgPool2d((shape[1] // factor, shape[2] // factor))
    operator = BlockMean(shape, factor)
    torch.testing.assert_close(operator.apply(x), pool(x), atol=1e-13, rtol=0)
    assert operator.n_measurements == pool(x)[0].numel()


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_every_singular_value_is_one_over_the_factor(factor: int):
    operator = BlockMean((3, 8, 8), factor)
    assert operator.singular_values[operator.measured].tolist() == [1 / factor] * (192 // factor**2)


def test_preview_repeats_pixels():
    operator = BlockMean((1, 4, 4), 2)
    y = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert torch.equal(operator.preview(y), y.repeat_interleave(2, -1).repeat_interleave(2, -2))
    assert not operator.unseen(y).any()


@pytest.mark.parametrize("factor", [0, -2, 3, 16])
def test_a_factor_that_does_not_divide_is_refused_by_value(factor: int):
    with pytest.raises(ValueError, match=f"factor={factor} .*8x8"):
        BlockMean((1, 8, 8), factor)
