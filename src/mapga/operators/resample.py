"""Super-resolution: block means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import OperatorCard
from mapga.lazy import torch
from mapga.operators.base import SpectralOperator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BlockMean"]


class BlockMean(SpectralOperator):
    r"""y = the mean of each ``factor`` x ``factor`` block, (B, C, H / r, W / r).

    All singular values are 1 / r. V acts on each block by an orthogonal matrix whose first column is constant
    (a Householder reflection), so coefficient (0, 0) of a block is r times its mean; the others are not measured.

    Args:
        factor: r >= 1, must divide the image's sides.
        image_shape: (C, H, W).

    Raises:
        ValueError: r does not divide a side.

    Source: the "sr" operator of DDRM, Kawar et al., 2022, arXiv 2201.11793.
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], factor: int = 4) -> None:
        height, width = image_shape[-2:]
        if factor < 1 or height % factor or width % factor:
            raise ValueError(f"factor={factor} does not divide an image of {height}x{width}")
        self.image_shape, self.factor = image_shape, factor
        first = torch.zeros(factor, factor, dtype=torch.float64)
        first[0, 0] = 1
        seen = first.repeat(height // factor, width // factor).expand(image_shape)[None]
        self.singular_values = (seen / factor).contiguous()
        self.measured = self.singular_values > 0
        self.basis = _constant_first(factor * factor)

    def to_spectral(self, x: Tensor) -> Tensor:
        return self._blockwise(x, self.basis)

    def from_spectral(self, x_bar: Tensor) -> Tensor:
        return self._blockwise(x_bar, self.basis.T)

    def measurement_to_spectral(self, y: Tensor) -> Tensor:
        seen = tuple(side // self.factor for side in self.image_shape[-2:])
        if y.shape[-2:] != seen:
            raise ValueError(
                f"measurements of {self.image_shape} images by {self.factor} are {seen}, got {y.shape[-2:]}"
            )
        y_bar = y.new_zeros(*y.shape[:-2], *self.image_shape[-2:])
        y_bar[..., :: self.factor, :: self.factor] = y
        return y_bar

    def measurement_from_spectral(self, y_bar: Tensor) -> Tensor:
        return y_bar[..., :: self.factor, :: self.factor]

    def _blockwise(self, x: Tensor, matrix: Tensor) -> Tensor:
        """Each r x r block, as a row vector, times ``matrix``."""
        r = self.factor
        *lead, height, width = x.shape
        blocks = x.reshape(*lead, height // r, r, width // r, r).transpose(-3, -2)
        turned = blocks.flatten(-2) @ matrix
        return turned.unflatten(-1, (r, r)).transpose(-3, -2).reshape(x.shape)


def _constant_first(n: int) -> Tensor:
    """A symmetric orthogonal n x n matrix whose first column is 1 / sqrt(n)."""
    constant = torch.full((n,), n**-0.5, dtype=torch.float64)
    if n == 1:
        return constant.reshape(1, 1)
    normal = constant.clone()
    normal[0] -= 1
    normal /= normal.norm()
    return torch.eye(n, dtype=torch.float64) - 2 * torch.outer(normal, normal)
