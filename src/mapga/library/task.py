"""A task: an operator for images of any shape, and the noise of its measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapga.node import Node
from mapga.problem import Problem, measure

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from mapga.operators.base import Operator

__all__ = ["Task"]


@dataclass(frozen=True, repr=False)
class Task:
    """What is done to images.

    Attributes:
        name: In conf/task.
        node: Its operator, not yet made for a shape.
        sigma_y: Standard deviation of the noise on [-1, 1].
    """

    name: str
    node: Node
    sigma_y: float

    def __repr__(self) -> str:
        arguments = {**self.node.defaults, **self.node.arguments, "sigma_y": self.sigma_y}
        return f"Task({self.name!r}, {', '.join(f'{key}={value!r}' for key, value in arguments.items())})"

    def operator(self, image_shape: tuple[int, int, int]) -> Operator:
        """A for images (C, H, W).

        Raises:
            ValueError: There is none for such images.
        """
        operator: Operator = self.node.build({"image_shape": image_shape})
        return operator

    def measure(self, images: Tensor | np.ndarray, seed: int = 0, indices: Sequence[int] | None = None) -> Problem:
        """y = A(x) + sigma_y n, on the images' device and in their dtype.

        Args:
            images: (N, C, H, W) in [-1, 1], or a single one (C, H, W), which is a batch of one.
            seed: Of the noise: with that of a run the measurements are the run's.
            indices: Of each image its place in its dataset, by which its noise goes; None: those that images of
                ``load_images`` know, 0, 1, ... for others.

        Raises:
            ValueError: Images of another shape or range.
        """
        from mapga.library.images import Images, batch_of

        x = batch_of(images)
        if indices is None:
            indices = images.numbers if isinstance(images, Images) else range(len(x))
        channels, height, width = x.shape[1:]
        operator = self.operator((channels, height, width)).to(x.device, x.dtype)
        return measure(x, operator, self.sigma_y, seed=seed, indices=indices)
