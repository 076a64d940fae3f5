"""An operator that differs from image to image of a batch: masks drawn for each image, frames of a sequence."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from mapga.operators import LinearOperator

_Answer = Callable[[LinearOperator, Tensor], Tensor]


class Each(LinearOperator):
    """Image i is seen through the i-th operator; a batch is all of them, in their order.

    Args:
        operators: One an image, of one shape of images and one of measurements.
    """

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        self.operators = list(operators)
        self.image_shape = self.operators[0].image_shape
        self.n_measurements = self.operators[0].n_measurements

    def apply(self, x: Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.apply(part), x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.adjoint(part), y)

    def pinv(self, y: Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.pinv(part), y)

    def solve_gram(self, r: Tensor, c: float | Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.solve_gram(part, c), r)

    def restrict(self, y: Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.restrict(part), y)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        moved = copy.copy(self)
        moved.operators = [operator.to(device, dtype) for operator in self.operators]
        return moved

    def _each(self, answer: _Answer, batch: Tensor) -> Tensor:
        parts = zip(self.operators, batch.split(1), strict=True)
        return torch.cat([answer(operator, part) for operator, part in parts])
