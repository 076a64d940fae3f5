r"""Gradient steps mixed with those before, so that what is left of their steps is least.

A plain step is f(z) = rate / j g. Of the last steps, with dZ and dF the differences of z and of f, as columns,

    z += f - (dZ + dF) w,   w = argmin |f - dF w|^2 + 1e-8 |dF|^2 |w|^2,

for each image. For a linear f it is GMRES, so that Gaussian data take a few steps. A forward pass and a vector-Jacobian
product a step: mixing costs none.

Source: Walker, Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numer. Anal. 2011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.lazy import torch
from mapga.solvers.ascents.base import Level, Step, check_rate

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Anderson"]


class Anderson(Step):
    """Steps of a level; the first of each level is a plain one.

    Args:
        memory: >= 1, how many steps before are mixed in.
        rate: > 0, of a plain step.
    """

    card = StepCard(passes=lambda a, num_iter: 2 * num_iter)

    def __init__(self, memory: int = 3, rate: float = 0.3) -> None:
        check_rate(rate)
        if memory < 1:
            raise ValueError(f"solver.step.memory={memory}: at least 1 step before")
        self.memory, self.rate = memory, rate

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        kept: list[tuple[Tensor, Tensor]] = []
        for _ in range(num_iter):
            at = level.look(z)
            f = self.rate / level.gain * at.transposed(at.p)
            kept = [*kept, (z, f)][-self.memory - 1 :]
            z = z + f
            if len(kept) > 1:
                points, steps = (
                    torch.stack([one.flatten(1) for one in column], 2) for column in zip(*kept, strict=True)
                )
                z = z - _mixed(points.diff(dim=2), steps.diff(dim=2), f.flatten(1)).reshape(z.shape)
        return z


def _mixed(points: Tensor, steps: Tensor, f: Tensor) -> Tensor:
    """(dZ + dF) w."""
    gram = steps.mT @ steps
    size = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    eye = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    ridge = (1e-8 * size + torch.finfo(gram.dtype).tiny) * eye  # nothing moved: w = 0
    w, _ = torch.linalg.solve_ex(gram + ridge, steps.mT @ f[:, :, None])
    return ((points + steps) @ w)[:, :, 0]
