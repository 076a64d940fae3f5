"""Small linear algebra: inner products per image, and the dense matrices of linear maps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["dense_matrix", "dot"]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each image of a batch, (B,)."""
    return (a * b).flatten(1).sum(1)


def dense_matrix(linear: Callable[[Tensor], Tensor], shape: tuple[int, ...], *, dtype: torch.dtype) -> Tensor:
    """The matrix (m, n) of a linear map of images of ``shape``, by applying it to all n unit images.

    For small sizes: it holds n images at once.
    """
    n = int(torch.tensor(shape).prod())
    columns = linear(torch.eye(n, dtype=dtype).reshape(n, *shape))
    return columns.reshape(n, -1).T
