r"""Phase retrieval: the magnitudes of an oversampled Fourier transform."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.card import OperatorCard
from mapga.lazy import torch
from mapga.operators.base import Operator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PhaseRetrieval"]


class PhaseRetrieval(Operator):
    """y = |F P x|: P surrounds each channel by zeros, F is the orthonormal 2-D Fourier transform, its origin centred.

    The magnitudes of x are those of -x and of its 180 degree rotation. A prior tells signs apart, and nothing need tell
    a picture from its rotation: ``equivalents`` has both, of which the better is scored.

    Args:
        padding: Zeros added at each end of a side, as a fraction of it, > 0. DPS calls 0.25 its "oversample 2.0"; from
            0.5 on all of the autocorrelation is seen.

    Raises:
        ValueError: A padding that is 0 pixels.

    Source: the phase retrieval of DPS, Chung et al., 2023, arXiv 2209.14687.
    """

    card = OperatorCard()

    def __init__(self, image_shape: tuple[int, int, int], padding: float = 0.25) -> None:
        channels, height, width = image_shape
        added = [round(padding * side) for side in (height, width)] if 0 < padding < math.inf else [0]
        if min(added) < 1:
            raise ValueError(f"padding={padding}: of a side, at least one pixel of {height}x{width} and finite")
        self.image_shape, (self._top, self._left) = image_shape, added
        self.n_measurements = channels * (height + 2 * self._top) * (width + 2 * self._left)

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        padded = torch.nn.functional.pad(x, (self._left, self._left, self._top, self._top))
        return torch.fft.fftshift(torch.fft.fft2(padded, norm="ortho"), dim=(-2, -1)).abs()

    def preview(self, y: Tensor) -> Tensor:
        return y[..., self._top : -self._top, self._left : -self._left]

    def equivalents(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x, x.flip(-2, -1))
