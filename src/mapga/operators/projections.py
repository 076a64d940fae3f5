r"""Compressed sensing: random projections of an image, their magnitudes, their signs.

P = R F E: E changes the sign of every second pixel or so at random, F is the orthonormal discrete cosine transform of
each channel, R keeps a random part of the coefficients, the same for all images. Its rows are orthonormal and spread
over all pixels; y is image-shaped, 0 where nothing is measured.

Source: Do, Gan, Nguyen, Tran, "Fast and efficient compressive sensing using structurally random matrices", 2012,
arXiv 1106.5037.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.card import OperatorCard
from mapga.lazy import torch
from mapga.operators.base import Operator, SelectingOperator
from mapga.rng import generator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ProjectionMagnitudes", "ProjectionSigns", "RandomProjections"]


class RandomProjections(SelectingOperator):
    """y = P x. All singular values are 1.

    Args:
        fraction: Of the n pixels, how many projections: round(fraction n), at least 1.
        seed: Of the signs and of the coefficients that are kept.

    Raises:
        ValueError: A fraction outside (0, 1].
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], fraction: float = 0.25, seed: int = 0) -> None:
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction={fraction}: of the pixels, above 0 and at most 1")
        self.image_shape = image_shape
        n, draw = math.prod(image_shape), generator(seed, "projections", 0)
        kept = torch.zeros(n, dtype=torch.bool)
        kept[torch.from_numpy(draw.permutation(n)[: max(round(fraction * n), 1)])] = True
        self.measured = kept.reshape(1, *image_shape)
        self.singular_values = self.measured.double()
        self.signs = torch.from_numpy(draw.integers(2, size=(1, *image_shape)) * 2.0 - 1)
        self.rows, self.columns = (_cosines(side) for side in image_shape[-2:])

    def to_spectral(self, x: Tensor) -> Tensor:
        return self.rows @ (self.signs * x) @ self.columns.T

    def from_spectral(self, x_bar: Tensor) -> Tensor:
        return self.signs * (self.rows.T @ x_bar @ self.columns)


class _Projected(Operator):
    """A function of each random projection."""

    def __init__(self, image_shape: tuple[int, int, int], fraction: float, seed: int) -> None:
        self.projections = RandomProjections(image_shape, fraction, seed)
        self.image_shape, self.n_measurements = image_shape, self.projections.n_measurements

    def restrict(self, y: Tensor) -> Tensor:
        return self.projections.restrict(y)


class ProjectionMagnitudes(_Projected):
    """y = |P x|. x and -x measure the same.

    Args: As of ``RandomProjections``.
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], fraction: float = 0.5, seed: int = 0) -> None:
        super().__init__(image_shape, fraction, seed)

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return self.projections.apply(x).abs()


class ProjectionSigns(_Projected):
    """y = sign(P x): one bit a measurement. c x measures the same for every c > 0.

    Its derivative is 0 wherever it has one; vjp is straight through, that of P x.

    Args: As of ``RandomProjections``.

    Source: Boufounos, Baraniuk, "1-bit compressive sensing", CISS 2008.
    """

    card = OperatorCard()
    straight_through = True

    def __init__(self, image_shape: tuple[int, int, int], fraction: float = 1.0, seed: int = 0) -> None:
        super().__init__(image_shape, fraction, seed)

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        projected = self.projections.apply(x)
        return projected + (projected.sign() - projected).detach()


def _cosines(n: int) -> Tensor:
    """The orthonormal DCT-II matrix, (n, n)."""
    k = torch.arange(n, dtype=torch.float64)
    matrix = (math.pi / n * torch.outer(k, k + 0.5)).cos() * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix
