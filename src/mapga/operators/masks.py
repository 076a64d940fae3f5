"""Masks: pixels that are seen, and pixels that are not. Diagonal operators, so U = V = I."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mapga.card import OperatorCard
from mapga.lazy import torch
from mapga.operators.base import SelectingOperator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AlternateRows", "CentralBox", "Diagonal", "HalfMask", "Identity", "PixelGrid"]


class Diagonal(SelectingOperator):
    """y = w * x with a weight w >= 0 a pixel; y keeps the image's shape and is zero where w = 0.

    The singular values are the weights; pixels of weight 0 are not measured. A^T, A^+ and (A A^T + c I)^{-1} take it
    for granted that y is zero there, as that of every ``Problem`` is.

    Args:
        weights: float (C, H, W) or (H, W) (the same for all channels), finite and >= 0.
        image_shape: (C, H, W).

    Raises:
        ValueError: Weights that are negative, not finite, or do not fit the image.
    """

    card = OperatorCard(given=("weights", "image_shape"))

    def __init__(self, weights: Tensor, image_shape: tuple[int, int, int]) -> None:
        if tuple(weights.shape) not in (tuple(image_shape), tuple(image_shape[-2:])):
            raise ValueError(f"weights of shape {tuple(weights.shape)} do not fit images of shape {image_shape}")
        if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
            raise ValueError("mask weights must be finite and >= 0")
        self.image_shape = image_shape
        self.singular_values = weights.double().expand(image_shape)[None].contiguous()
        self.measured = self.singular_values > 0

    def to_spectral(self, x: Tensor) -> Tensor:
        return x

    def from_spectral(self, x_bar: Tensor) -> Tensor:
        return x_bar

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return self.singular_values * x

    def adjoint(self, y: Tensor) -> Tensor:
        return self.singular_values * y

    def pinv(self, y: Tensor) -> Tensor:
        return self.inverse_values * y

    def solve_gram(self, r: Tensor, c: float | Tensor) -> Tensor:
        return self.inverse_gram(c) * r


class Identity(Diagonal):
    """y = x: denoising."""

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__(torch.ones(image_shape), image_shape)


class CentralBox(Diagonal):
    """A central square of ``width`` times the image's width is removed, or is all that is seen.

    Args:
        width: Side of the square as a fraction of the image's side, in (0, 1).
        keep: ``"outside"`` (inpainting) or ``"inside"`` (outpainting).
        image_shape: (C, H, W), square.

    Source: the box25, box50 and expand masks of MAP-GA, 2024, arXiv 2407.20784.
    """

    card = OperatorCard()

    def __init__(
        self, image_shape: tuple[int, int, int], width: float, keep: Literal["outside", "inside"] = "outside"
    ) -> None:
        if not 0 < width < 1:
            raise ValueError(f"width={width}: the square's side is a fraction of the image's, between 0 and 1")
        if keep not in ("outside", "inside"):
            raise ValueError(f"keep={keep!r}: choose 'outside' or 'inside'")
        height, breadth = image_shape[-2:]
        box = torch.zeros(height, breadth)
        sides = (round(width * height), round(width * breadth))
        if not min(sides) > 0 or not (sides[0] < height and sides[1] < breadth):
            raise ValueError(
                f"width={width}: the square is {sides[0]}x{sides[1]} of {height}x{breadth}, none or all of it"
            )
        top, left = (height - sides[0]) // 2, (breadth - sides[1]) // 2
        box[top : top + sides[0], left : left + sides[1]] = 1
        super().__init__(box if keep == "inside" else 1 - box, image_shape)


class HalfMask(Diagonal):
    """The right half is removed."""

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        seen = torch.ones(image_shape[-2:])
        seen[:, image_shape[-1] // 2 :] = 0
        super().__init__(seen, image_shape)


class PixelGrid(Diagonal):
    """Only every ``stride``-th pixel in both directions is seen, the first one included."""

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], stride: int = 2) -> None:
        if not 1 <= stride <= min(image_shape[-2:]):
            raise ValueError(f"stride={stride}: choose 1..{min(image_shape[-2:])}")
        seen = torch.zeros(image_shape[-2:])
        seen[::stride, ::stride] = 1
        super().__init__(seen, image_shape)


class AlternateRows(Diagonal):
    """Every second row is removed, the first one kept."""

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        seen = torch.zeros(image_shape[-2:])
        seen[::2] = 1
        super().__init__(seen, image_shape)
