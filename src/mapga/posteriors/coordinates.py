r"""Coordinates in which a Gaussian and a measurement of it are both diagonal.

Of x ~ N(m, S) and y = A x + sigma_y n, with v ~ N(0, I) and n' ~ N(0, I):

    x = m + T v,    U^T (y - A m) = b v + sigma_y n'

* ``Isotropic``: S = s^2 I and A = U diag(a) V^T in closed form: T = s V, b = s a, matrix-free.
* ``Dense``: S = L L^T and the matrix of A: with the decomposition A L = U diag(b) W^T, T = L W.

Flat images are (B, n), coordinates (B, d) with d >= n or the rank of S; where no measurement belongs to a coordinate,
b = 0; where no part of x belongs to it, its column of T is 0 and it is not ``inside``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from mapga.lazy import torch
from mapga.operators.base import LinearOperator, SpectralOperator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Coordinates", "Dense", "Isotropic", "matrix_of"]


class Coordinates(ABC):
    """The change of coordinates.

    Attributes:
        gains: b (d,), >= 0.
        measured: bool (d,), coordinates that have a measurement of their own (b = 0 there: noise alone).
        inside: bool (d,), coordinates that x depends on.
        powers: (d,), squared norms of the columns of T.
    """

    gains: Tensor
    measured: Tensor
    inside: Tensor
    powers: Tensor

    @abstractmethod
    def spread(self, v: Tensor) -> Tensor:
        """T v, (B, n)."""

    @abstractmethod
    def gather(self, x: Tensor) -> Tensor:
        """T^T x, (B, d)."""

    @abstractmethod
    def whiten(self, x: Tensor) -> Tensor:
        """T^+ x, (B, d)."""

    @abstractmethod
    def project(self, y: Tensor) -> Tensor:
        """U^T y (B, d) of measurements (B, ...)."""

    @abstractmethod
    def measure(self, x: Tensor) -> Tensor:
        """U^T A x, (B, d)."""

    @abstractmethod
    def log_volume(self, free: Tensor) -> float:
        """log of the volume in x of a unit cube of some coordinates, bool (d,)."""


class Isotropic(Coordinates):
    """Those of S = std^2 I and an operator with an SVD, in its dtype and on its device."""

    def __init__(self, std: float, operator: SpectralOperator) -> None:
        self.std, self.operator = std, operator
        self.gains = std * operator.singular_values.flatten()
        self.measured = operator.measured.flatten()
        self.inside = torch.ones_like(self.measured)
        self.powers = torch.full_like(self.gains, std**2)

    def spread(self, v: Tensor) -> Tensor:
        return self.std * self.operator.from_spectral(self._images(v)).flatten(1)

    def gather(self, x: Tensor) -> Tensor:
        return self.std * self.operator.to_spectral(self._images(x)).flatten(1)

    def whiten(self, x: Tensor) -> Tensor:
        return self.gather(x) / self.std**2

    def project(self, y: Tensor) -> Tensor:
        return self.operator.measurement_to_spectral(y).flatten(1)

    def measure(self, x: Tensor) -> Tensor:
        return self.gains * self.whiten(x)

    def log_volume(self, free: Tensor) -> float:
        return int(free.sum()) * math.log(self.std)

    def _images(self, flat: Tensor) -> Tensor:
        return flat.reshape(-1, *self.operator.image_shape)


class Dense(Coordinates):
    """Those of any covariance and the matrix of any linear operator, decomposed in float64 on the CPU.

    Args:
        eigenvalues: Of S, (n,); those that rounding alone could have made are zero.
        eigenvectors: Of S, the columns of (n, n).
        matrix: A (m, n), as ``matrix_of`` gives it.
        seen: bool (M,), which of a flat measurement's M values those m are.
        like: A tensor of the dtype and on the device that coordinates are wanted in.
    """

    def __init__(self, eigenvalues: Tensor, eigenvectors: Tensor, matrix: Tensor, seen: Tensor, like: Tensor) -> None:
        values, vectors, matrix = (part.to("cpu", torch.float64) for part in (eigenvalues, eigenvectors, matrix))
        rounding = torch.finfo(torch.float64).eps
        kept = values > len(values) * rounding * values.max()
        scales, vectors = values[kept].sqrt(), vectors[:, kept]
        u, b, wt = torch.linalg.svd(matrix @ (vectors * scales), full_matrices=True)
        rank, rows = len(scales), len(matrix)
        size = max(rank, rows)
        gains = torch.zeros(size, dtype=torch.float64)
        gains[: len(b)] = torch.where(b > size * rounding * b.max(), b, 0.0)
        places = torch.arange(size)
        spread, whiten = (vectors * scales) @ wt.T, wt @ (vectors / scales).T
        self._log_volume_of = spread
        self._seen = seen.to(like.device)
        self.measured, self.inside = (places < rows).to(like.device), (places < rank).to(like.device)
        self.gains = gains.to(like)
        self._spread = torch.nn.functional.pad(spread, (0, size - rank)).to(like)
        self._whiten = torch.nn.functional.pad(whiten, (0, 0, 0, size - rank)).to(like)
        self._project = torch.nn.functional.pad(u, (0, size - rows)).to(like)
        self._measure = self._project.T @ matrix.to(like)
        self.powers = self._spread.square().sum(0)

    def spread(self, v: Tensor) -> Tensor:
        return v @ self._spread.T

    def gather(self, x: Tensor) -> Tensor:
        return x @ self._spread

    def whiten(self, x: Tensor) -> Tensor:
        return x @ self._whiten.T

    def project(self, y: Tensor) -> Tensor:
        return y.flatten(1)[:, self._seen] @ self._project

    def measure(self, x: Tensor) -> Tensor:
        return x @ self._measure.T

    def log_volume(self, free: Tensor) -> float:
        columns = self._log_volume_of[:, free[self.inside].cpu()]
        return float(torch.linalg.qr(columns, mode="r").R.diagonal().abs().log().sum())


def matrix_of(operator: LinearOperator) -> tuple[Tensor, Tensor]:
    """The matrix (m, n) of a linear operator, float64, and which of a flat measurement's values its rows are.

    By applying it to the n unit images: n^2 numbers. What ``restrict`` blanks, and noise never reaches, is no row.
    """
    operator = operator.to("cpu", torch.float64)
    n = math.prod(operator.image_shape)
    columns = operator.apply(torch.eye(n, dtype=torch.float64).reshape(n, *operator.image_shape))
    seen = operator.restrict(torch.ones_like(columns[:1])).flatten() != 0
    return columns.flatten(1)[:, seen].T.contiguous(), seen
