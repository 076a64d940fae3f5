"""Small linear algebra: dense matrices of operators, and conjugate gradients on a batch of systems."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["conjugate_gradient", "dense_matrix", "dot"]


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


def conjugate_gradient(
    matvec: Callable[[Tensor], Tensor], b: Tensor, *, iterations: int = 200, tolerance: float = 1e-10
) -> Tensor:
    r"""Solve M x = b for a symmetric positive definite M, each image of the batch by itself.

    An image whose residual has fallen below ``tolerance`` times its right-hand side is frozen, so the result does
    not depend on its batch-mates.

    Args:
        matvec: M on a batch, same shape in and out.
        b: Right-hand sides (B, ...).
        iterations: Most iterations.
        tolerance: Relative residual at which an image is done.

    Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952.
    """
    column = (-1, *[1] * (b.ndim - 1))
    x, r, p = torch.zeros_like(b), b, b
    rr = dot(r, r)
    goal = tolerance**2 * rr
    for _ in range(iterations):
        active = rr > goal
        if not bool(active.any()):
            break
        mp = matvec(p)
        alpha = torch.where(active, rr / dot(p, mp).where(active, 1.0), 0.0).reshape(column)
        x, r = x + alpha * p, r - alpha * mp
        rr_next = torch.where(active, dot(r, r), rr)
        beta = torch.where(active, rr_next / rr.where(active, 1.0), 0.0).reshape(column)
        p, rr = torch.where(active.reshape(column), r + beta * p, p), rr_next
    return x
