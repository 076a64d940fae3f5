"""The operators that every operator test runs through: a list with independent matrices, and the tasks of conf/."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import yaml
from torch import Tensor

from helpers.matrices import (
    block_mean_matrix,
    box_blur_line,
    channelwise,
    cosine_matrix,
    kept,
    official_blur_matrix,
    truncated,
)
from mapga.config.files import conf_dir, options
from mapga.node import OPERATOR, Node
from mapga.operators import (
    AlternateRows,
    BlockMean,
    CentralBox,
    Diagonal,
    HalfMask,
    Identity,
    LinearOperator,
    Operator,
    PixelGrid,
    RandomProjections,
    SeparableBlur,
    SpectralOperator,
)
from mapga.testing.algebra import dense_matrix

__all__ = ["CASES", "SIDE", "TASKS", "Case", "DenseOperator", "Squared", "case"]

SIDE = 8


@dataclass(frozen=True)
class Case:
    """An operator on (channels, 8, 8) images and its matrix (m, n), measurements flattened."""

    name: str
    channels: int
    make: Callable[[tuple[int, int, int]], SpectralOperator]
    dense: Callable[[tuple[int, int, int]], Tensor]

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.channels, SIDE, SIDE)

    @property
    def operator(self) -> SpectralOperator:
        return self.make(self.shape)

    @property
    def matrix(self) -> Tensor:
        return self.dense(self.shape)

    def images(self, batch: int, seed: int = 0) -> Tensor:
        return torch.randn(batch, *self.shape, generator=torch.manual_seed(seed), dtype=torch.float64)

    def measurements(self, batch: int, seed: int = 1) -> Tensor:
        """Random measurements, zero where nothing is measured."""
        operator = self.operator
        shape = operator.apply(self.images(1)).shape[1:]
        y = torch.randn(batch, *shape, generator=torch.manual_seed(seed), dtype=torch.float64)
        return operator.restrict(y)


def _weights(shape: tuple[int, int, int]) -> Tensor:
    return torch.tensor([1.0, 0.5, 0.0, 2.0]).repeat(SIDE * SIDE // 4).reshape(SIDE, SIDE)


def _projected(shape: tuple[int, int, int]) -> Tensor:
    made = RandomProjections(shape)  # which signs and coefficients is its own draw
    return cosine_matrix(shape, made.signs, made.measured)


def _blur(size: int, padding: str = "zero", cut: float = 0.0) -> Callable[[tuple[int, int, int]], Tensor]:
    def dense(shape: tuple[int, int, int]) -> Tensor:
        line = box_blur_line(SIDE, size, padding)
        return channelwise(truncated(torch.kron(line, line), cut), shape[0])

    return dense


_KINDS = {
    "identity": (Identity, lambda s: kept(s, lambda i, j: True)),
    "box50": (lambda s: CentralBox(s, 0.5), lambda s: kept(s, lambda i, j: not (2 <= i < 6 and 2 <= j < 6))),
    "box25": (lambda s: CentralBox(s, 0.25), lambda s: kept(s, lambda i, j: not (3 <= i < 5 and 3 <= j < 5))),
    "expand": (
        lambda s: CentralBox(s, 0.25, "inside"),
        lambda s: kept(s, lambda i, j: 3 <= i < 5 and 3 <= j < 5),
    ),
    "half": (HalfMask, lambda s: kept(s, lambda i, j: j < 4)),
    "sr2x": (PixelGrid, lambda s: kept(s, lambda i, j: i % 2 == 0 and j % 2 == 0)),
    "grid3": (lambda s: PixelGrid(s, 3), lambda s: kept(s, lambda i, j: i % 3 == 0 and j % 3 == 0)),
    "altlines": (AlternateRows, lambda s: kept(s, lambda i, j: i % 2 == 0)),
    "weights": (
        lambda s: Diagonal(_weights(s), s),
        lambda s: torch.diag(_weights(s).double().flatten().repeat(s[0])),
    ),
    "supres4x": (BlockMean, lambda s: channelwise(block_mean_matrix(SIDE, SIDE, 4), s[0])),
    "supres2x": (lambda s: BlockMean(s, 2), lambda s: channelwise(block_mean_matrix(SIDE, SIDE, 2), s[0])),
    "supres1x": (lambda s: BlockMean(s, 1), lambda s: kept(s, lambda i, j: True)),
    "deblur": (SeparableBlur, _blur(9, cut=1e-3)),
    "deblur_cut": (lambda s: SeparableBlur(s, singular_cut=0.02), _blur(9, cut=0.02)),
    "deblur_even": (lambda s: SeparableBlur(s, size=4), _blur(4, cut=1e-3)),
    "deblur_circular": (lambda s: SeparableBlur(s, 5, "circular"), _blur(5, "circular", 1e-3)),
    "projections": (RandomProjections, _projected),
    "deblur_ddrm": (lambda s: SeparableBlur(s, compat="ddrm"), lambda s: official_blur_matrix(SIDE, s[0])),
}

CASES = [Case(f"{name}-{c}", c, make, dense) for name, (make, dense) in _KINDS.items() for c in (1, 3)]


def _task(name: str, channels: int) -> Case:
    """A file of conf/task. What it measures is its own word; adjoint, inverses and SVD are held to that."""
    node = Node.read(OPERATOR, yaml.safe_load((conf_dir() / "task" / f"{name}.yaml").read_text())["operator"])

    def make(shape: tuple[int, int, int]) -> Any:
        return node.build({"image_shape": shape})

    def dense(shape: tuple[int, int, int]) -> Tensor:
        return dense_matrix(make(shape).apply, shape, dtype=torch.float64)

    return Case(f"task={name}-{channels}", channels, make, dense)


TASKS = [_task(name, c) for name in options("task") for c in (1, 3)]


def case(name: str, channels: int = 1) -> Case:
    """One case of the list by name."""
    return next(item for item in CASES if item.name == f"{name}-{channels}")


class DenseOperator(LinearOperator):
    """y = M x for an explicit matrix: linear, without a closed-form SVD. y is (B, m)."""

    def __init__(self, matrix: Tensor, image_shape: tuple[int, int, int]) -> None:
        self.matrix, self.image_shape, self.n_measurements = matrix, image_shape, len(matrix)

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return x.flatten(1) @ self.matrix.T

    def adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.matrix).reshape(-1, *self.image_shape)

    def pinv(self, y: Tensor) -> Tensor:
        return (y @ torch.linalg.pinv(self.matrix).T).reshape(-1, *self.image_shape)

    def solve_gram(self, r: Tensor, c: float | Tensor) -> Tensor:
        gram = self.matrix @ self.matrix.T
        c = torch.as_tensor(c, dtype=r.dtype).reshape(-1, 1, 1)
        return (torch.linalg.pinv(gram + c * torch.eye(len(gram), dtype=torch.float64), hermitian=True) @ r[..., None])[
            ..., 0
        ]


class Squared(Operator):
    """y = x^2: not linear."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape = image_shape

    def apply(self, x: Tensor) -> Tensor:
        self.check(x)
        return x.square()
