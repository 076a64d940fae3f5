r"""Operators that act within patches: A x = (A_1 x_1, ..., A_G x_G) of the patches x_g of an image.

Found by asking the operator, whatever it is: a random image that is zero outside patch g shows which values of the
measurement hear of g, and no value may hear of two. Then n images, each with one pixel of every patch set, give the
columns of all matrices A_g at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapga.lazy import torch
from mapga.operators.base import LinearOperator
from mapga.priors.patches import PatchesPrior

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Factor", "factors", "mixing"]

_NOTHING = 1e-9  # of the largest value: what transforms leave where nothing is heard
_AT_ONCE = 64  # images that are measured together


@dataclass(frozen=True)
class Factor:
    """Patches that are measured alike.

    Attributes:
        matrix: A_g (m, n), float64.
        patches: Which ones, int64 (g,), counted row by row.
        values: Those of a flat measurement that each is seen in, int64 (g, m).
    """

    matrix: Tensor
    patches: Tensor
    values: Tensor


def factors(operator: LinearOperator, prior: PatchesPrior) -> list[Factor]:
    """The operator, patch by patch of the prior's images; patches with one matrix together.

    Raises:
        ValueError: A value of the measurement that depends on two patches.
    """
    operator = operator.to("cpu", torch.float64)
    whole = prior.to_patches(torch.zeros(1, *prior.image_shape, dtype=torch.float64))
    count, n = whole.shape
    heard = _heard(operator, prior, count, n)
    if wrong := _shared(operator, prior, heard):
        raise ValueError(wrong)
    columns = torch.cat([
        operator.apply(prior.from_patches(part.repeat_interleave(count, 0))).flatten(1)
        for part in torch.eye(n, dtype=torch.float64).split(_AT_ONCE)
    ])  # fmt: skip
    alike: dict[tuple[bytes, int], list[int]] = {}
    matrices = [columns[:, values].T.contiguous() for values in heard]
    for patch, matrix in enumerate(matrices):
        key = (matrix.numpy().round(12) + 0.0).tobytes(), len(matrix)
        alike.setdefault(key, []).append(patch)
    return [
        Factor(matrices[group[0]], torch.tensor(group), torch.stack([heard[patch] for patch in group]))
        for group in alike.values()
    ]


def mixing(operator: LinearOperator, prior: PatchesPrior) -> str | None:
    """Why an operator does not act within patches, and what to choose, in one line; None if it does."""
    operator = operator.to("cpu", torch.float64)
    whole = prior.to_patches(torch.zeros(1, *prior.image_shape, dtype=torch.float64))
    return _shared(operator, prior, _heard(operator, prior, *whole.shape))


def _shared(operator: LinearOperator, prior: PatchesPrior, heard: list[Tensor]) -> str | None:
    taken = torch.cat(heard)
    if len(taken.unique()) == len(taken):
        return None
    return (
        f"{type(operator).__name__} mixes patches of {prior.side}x{prior.side} pixels, so that prior=patches has no "
        "exact posterior; choose a mask, pixel noise alone, or means of blocks that lie within a patch "
        "(task=box50, half, denoise, supres4x)"
    )


def _heard(operator: LinearOperator, prior: PatchesPrior, count: int, n: int) -> list[Tensor]:
    """Of each patch, the values of a flat measurement that depend on it, ascending."""
    noise = torch.randn(count, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for some in torch.arange(count).split(_AT_ONCE):
        alone = torch.zeros(len(some), count, n, dtype=torch.float64)
        alone[torch.arange(len(some)), some] = noise[some]
        sizes = operator.apply(prior.from_patches(alone.flatten(0, 1))).flatten(1).abs()
        found += [row.nonzero()[:, 0] for row in sizes > _NOTHING * noise.abs().max()]
    return found
