r"""Forward operators, in three rungs.

1. ``Operator``: any deterministic map A from images to measurements, with a vector-Jacobian product.
2. ``LinearOperator``: adds the adjoint A^T, the pseudo-inverse A^+ and (A A^T + c I)^{-1}.
3. ``SpectralOperator``: adds a singular value decomposition A = U diag(s) V^T in closed form, from which all of
   rung 2 follows.

Spectral coordinates are image-shaped, (B, C, H, W): each coordinate belongs to one right singular vector. A
coordinate without a measurement of its own has s = 0 and is not ``measured``; a square operator (blur) may have
``measured`` coordinates with s = 0, where the measurement is noise alone.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

from mapga.lazy import torch
from mapga.shown import Shown

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LinearOperator", "Operator", "SelectingOperator", "SpectralOperator"]


class Operator(Shown, ABC):
    """A deterministic map A from images (B, C, H, W) in [-1, 1] to measurements.

    Attributes:
        image_shape: (C, H, W) of the images it takes.
        n_measurements: m, the number of measured values of one image.
        straight_through: Whether ``vjp`` is another function's, where A itself has no derivative worth following.
    """

    image_shape: tuple[int, int, int]
    n_measurements: int
    straight_through: ClassVar[bool] = False

    @abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """A(x): measurements of images x (B, C, H, W), differentiable."""

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        """A'(x)^T v, (B, C, H, W): the vector-Jacobian product of A at x with v, which is measurement-shaped."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = self.apply(x)
        (product,) = torch.autograd.grad(y, x, v)
        return product

    def restrict(self, y: Tensor) -> Tensor:
        """y with zeros where nothing is measured, and A(x) is 0 (masks keep the image's shape)."""
        return y

    def equivalents(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images that measure what x measures and are as good an answer, x itself first."""
        return (x,)

    def nearest(self, x: Tensor, truth: Tensor) -> Tensor:
        """Of each image's ``equivalents`` the one nearest its truth in squared error: the one that is scored."""
        choices = torch.stack(self.equivalents(x))
        if len(choices) == 1:
            return x
        errors = (choices - truth).square().flatten(2).mean(2)
        return choices[errors.argmin(0), torch.arange(len(x), device=x.device)]

    def preview(self, y: Tensor) -> Tensor:
        """The measurement as a picture (B, C, H, W), nearest pixels, for people to look at."""
        return y if y.shape[-2:] == self.image_shape[-2:] else torch.nn.functional.interpolate(y, self.image_shape[-2:])

    def unseen(self, y: Tensor) -> Tensor:
        """bool (H, W): the pixels of ``preview`` that show nothing measured, whatever grey stands there."""
        return ~self.preview(self.restrict(torch.ones_like(y[:1])))[0].any(dim=0)

    def check(self, x: Tensor) -> None:
        """Raise ValueError unless x is a batch of images of ``image_shape``."""
        if tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(
                f"{type(self).__name__} was made for images of shape {self.image_shape}, got {tuple(x.shape[1:])}"
            )

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """A copy whose tensors and operators live on ``device``, floating-point ones in ``dtype``."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(moved, name, value.to(device, dtype if value.is_floating_point() else None))
            elif isinstance(value, Operator):
                setattr(moved, name, value.to(device, dtype))
        return moved


class LinearOperator(Operator):
    """A linear A."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, (B, C, H, W): <A x, y> = <x, A^T y>."""

    @abstractmethod
    def pinv(self, y: Tensor) -> Tensor:
        """A^+ y, (B, C, H, W): the least-squares image of smallest norm."""

    @abstractmethod
    def solve_gram(self, r: Tensor, c: float | Tensor) -> Tensor:
        """(A A^T + c I)^{-1} r for c > 0; for c = 0 the pseudo-inverse (A A^T)^+ r.

        Args:
            r: Measurement-shaped.
            c: A number or one an image (B,), >= 0.
        """

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self.adjoint(v)


class SpectralOperator(LinearOperator):
    """A = U diag(s) V^T in closed form.

    Attributes:
        singular_values: s, (1, C, H, W), >= 0, zero where nothing is seen.
        measured: bool (1, C, H, W), true for the coordinates that have a column in U.
    """

    singular_values: Tensor
    measured: Tensor

    @abstractmethod
    def to_spectral(self, x: Tensor) -> Tensor:
        """V^T x, (B, C, H, W)."""

    @abstractmethod
    def from_spectral(self, x_bar: Tensor) -> Tensor:
        """V x_bar, (B, C, H, W)."""

    @abstractmethod
    def measurement_to_spectral(self, y: Tensor) -> Tensor:
        """U^T y in image-shaped coordinates, zero where not ``measured``."""

    @abstractmethod
    def measurement_from_spectral(self, y_bar: Tensor) -> Tensor:
        """U y_bar, measurement-shaped; coordinates that are not ``measured`` are ignored."""

    @property
    def n_measurements(self) -> int:  # type: ignore[override]
        return int(self.measured.sum())

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return self.measurement_from_spectral(self.singular_values * self.to_spectral(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.from_spectral(self.singular_values * self.measurement_to_spectral(y))

    def pinv(self, y: Tensor) -> Tensor:
        return self.from_spectral(self.inverse_values * self.measurement_to_spectral(y))

    def solve_gram(self, r: Tensor, c: float | Tensor) -> Tensor:
        return self.measurement_from_spectral(self.inverse_gram(c) * self.measurement_to_spectral(r))

    @cached_property
    def inverse_values(self) -> Tensor:
        """1 / s, (1, C, H, W), 0 where s is 0 or so small that 1 / s^2 is no number."""
        with torch.inference_mode(False):  # or gradients of later calls would find no use for it
            return _inverse(self.singular_values, torch.finfo(self.singular_values.dtype).tiny ** 0.5)

    def inverse_gram(self, c: float | Tensor) -> Tensor:
        """1 / (s^2 + c), (1 or B, C, H, W), 0 where that is 0, or no number."""
        s, least = self.singular_values, torch.finfo(self.singular_values.dtype).tiny
        if isinstance(c, torch.Tensor):
            return _inverse(s.square() + c.to(s).reshape(-1, 1, 1, 1), least)
        return 1 / (s.square() + c) if c >= least else self.inverse_values.square()

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        moved = super().to(device, dtype)
        vars(moved).pop("inverse_values", None)  # it is rounded otherwise than the inverse of what was moved
        return moved


class SelectingOperator(SpectralOperator):
    """y = diag(s) V^T x, image-shaped and 0 where nothing is measured: U = I."""

    def measurement_to_spectral(self, y: Tensor) -> Tensor:
        return self.restrict(y)

    def measurement_from_spectral(self, y_bar: Tensor) -> Tensor:
        return self.restrict(y_bar)

    def restrict(self, y: Tensor) -> Tensor:
        return torch.where(self.measured, y, 0.0)


def _inverse(values: Tensor, least: float) -> Tensor:
    """1 / values, 0 where a value is below ``least``, never inf or NaN on the way."""
    positive = values >= least
    return torch.where(positive, 1 / values.where(positive, 1.0), 0.0)
