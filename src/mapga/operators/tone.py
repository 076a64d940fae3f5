r"""Tone curves: what a sensor makes of each pixel by itself. None is linear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.card import OperatorCard
from mapga.operators.base import Operator
from mapga.operators.blur import SeparableBlur

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Gamma", "LinearLightBlur", "Quantization", "Saturation"]


class Pointwise(Operator):
    """One curve for every pixel; y has the image's shape."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape, self.n_measurements = image_shape, math.prod(image_shape)


class Quantization(Pointwise):
    """y = the nearest of 2^bits even levels from -1 to 1.

    Its derivative is 0 wherever it has one; vjp is straight through: that of y = x within [-1, 1], and 0 outside.

    Args:
        bits: 1..8.

    Raises:
        ValueError: Another number of bits.

    Source: straight-through derivatives: Bengio, Leonard, Courville, 2013, arXiv 1308.3432.
    """

    card = OperatorCard()
    straight_through = True

    def __init__(self, image_shape: tuple[int, int, int], bits: int = 2) -> None:
        super().__init__(image_shape)
        if not 1 <= bits <= 8:
            raise ValueError(f"bits={bits}: choose 1..8")
        self.bits = bits

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        steps, within = 2**self.bits - 1, x.clamp(-1, 1)
        nearest = ((within + 1) / 2 * steps).round() / steps * 2 - 1
        return within + (nearest - within).detach()


class Saturation(Pointwise):
    """y = clip(gain x, -1, 1): high dynamic range, of which a sensor sees the middle.

    Args:
        gain: > 1; the range seen is 1 / gain of all.

    Raises:
        ValueError: A gain of 1 or less.

    Source: the "high dynamic range" task (gain 2) of RED-diff, Mardani et al., 2023, arXiv 2305.04391.
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], gain: float = 2.0) -> None:
        super().__init__(image_shape)
        if not 1 < gain < math.inf:
            raise ValueError(f"gain={gain}: above 1 and finite, else nothing saturates")
        self.gain = gain

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return (self.gain * x).clamp(-1, 1)


class Gamma(Pointwise):
    """y = 2 u^gamma - 1 with u = (x + 1) / 2, odd where u < 0: encoded grey levels to light.

    Args:
        gamma: >= 1, so that the derivative is finite everywhere.

    Raises:
        ValueError: A gamma below 1.
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], gamma: float = 2.2) -> None:
        super().__init__(image_shape)
        if not 1 <= gamma < math.inf:
            raise ValueError(f"gamma={gamma}: 1 or more, and finite")
        self.gamma = gamma

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        u = (x + 1) / 2
        return 2 * u.sign() * u.abs() ** self.gamma - 1


class LinearLightBlur(Operator):
    """y = B g(x): blur acts on light, pixels are encoded; g is ``Gamma`` and B the uniform ``SeparableBlur``.

    Args:
        size: Taps of the blur.
        gamma: Of the encoding, >= 1.
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], size: int = 9, gamma: float = 2.2) -> None:
        self.light = Gamma(image_shape, gamma)
        self.blur = SeparableBlur(image_shape, size)
        self.image_shape, self.n_measurements = image_shape, self.blur.n_measurements

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return self.blur.apply(self.light.apply(x))

    def restrict(self, y: Tensor) -> Tensor:
        return self.blur.restrict(y)
