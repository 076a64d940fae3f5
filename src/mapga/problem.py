"""An inverse problem, y = A(x) + sigma_y n, and the only place that makes a y."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from mapga.operators.base import Operator
from mapga.rng import standard_normal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Problem", "measure"]


@dataclass(frozen=True)
class Problem:
    """What a solver is given. The truth is not in it.

    Attributes:
        y: Measurements of a batch, first axis B, floating-point; integers become such. Where nothing is measured they
            become 0, whatever stood there.
        operator: A.
        sigma_y: Standard deviation of the measurement noise in [-1, 1] pixel units, >= 0.
        indices: Of each image its place in its dataset, by which all its noise goes; None for 0, 1, ...

    Raises:
        ValueError: A negative or non-finite sigma_y, complex measurements, or not as many indices as measurements.
    """

    y: Tensor
    operator: Operator
    sigma_y: float
    indices: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_y < math.inf:
            raise ValueError(f"sigma_y={self.sigma_y}: a noise standard deviation is finite and >= 0")
        if self.indices is not None and len(self.indices) != len(self.y):
            raise ValueError(f"{len(self.y)} images need as many indices, got {len(self.indices)} indices")
        if self.y.is_complex():
            raise ValueError("complex measurements: give their real and imaginary parts, as the operator does")
        y = self.y if self.y.is_floating_point() else self.y.float()
        object.__setattr__(self, "y", self.operator.to(y.device, y.dtype).restrict(y))  # frozen for all others

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: slice) -> Self:
        """The problem of some of the images."""
        return replace(self, y=self.y[rows], indices=self.numbers[rows])

    @property
    def numbers(self) -> Sequence[int]:
        """The indices, 0, 1, ... where none were given."""
        return range(len(self)) if self.indices is None else self.indices

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """The same with all its tensors on ``device`` in ``dtype``."""
        return replace(self, y=self.y.to(device, dtype), operator=self.operator.to(device, dtype))


def measure(x: Tensor, operator: Operator, sigma_y: float, *, seed: int, indices: Sequence[int]) -> Problem:
    """Measure a batch of images: y = A(x) + sigma_y n.

    Args:
        x: Images (B, C, H, W) in [-1, 1].
        operator: A.
        sigma_y: Noise standard deviation in the same unit as x, >= 0.
        seed: The run's seed.
        indices: The B images' indices in their dataset; their noise depends on these and the seed alone.

    Raises:
        ValueError: Not as many indices as images, an image of another size, or a sigma_y that is negative.
    """
    if len(indices) != len(x):
        raise ValueError(f"{len(x)} images need as many indices, got {len(indices)} indices")
    y = operator.apply(x)
    if sigma_y > 0:
        noise = standard_normal(seed, "measurement", indices, y.shape[1:])
        y = y + sigma_y * noise.to(y.device, y.dtype)
    return Problem(y, operator, sigma_y, tuple(indices))
