"""Matrices of the operators, built from their definitions by index loops, without any of the package's code."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

__all__ = [
    "block_mean_matrix",
    "box_blur_line",
    "channelwise",
    "cosine_matrix",
    "kept",
    "official_blur_matrix",
    "truncated",
]


def kept(shape: tuple[int, int, int], seen) -> Tensor:
    """Diagonal matrix of a mask; ``seen(row, column)`` says whether a pixel is kept."""
    channels, height, width = shape
    diagonal = [float(seen(i, j)) for _ in range(channels) for i in range(height) for j in range(width)]
    return torch.diag(torch.tensor(diagonal, dtype=torch.float64))


def channelwise(matrix: Tensor, channels: int) -> Tensor:
    """The same matrix on every channel."""
    return torch.block_diag(*[matrix] * channels)


def cosine_matrix(shape: tuple[int, int, int], signs: Tensor, seen: Tensor) -> Tensor:
    """Rows where ``seen`` of the orthonormal 2-D cosine transform of each channel, columns times ``signs``."""
    channels, height, width = shape
    matrix = torch.zeros(channels * height * width, channels * height * width, dtype=torch.float64)
    for c, k, m in product(range(channels), range(height), range(width)):
        for i, j in product(range(height), range(width)):
            scale = math.sqrt((1 if k == 0 else 2) / height) * math.sqrt((1 if m == 0 else 2) / width)
            wave = math.cos(math.pi * k * (2 * i + 1) / (2 * height)) * math.cos(
                math.pi * m * (2 * j + 1) / (2 * width)
            )
            row, column = (c * height + k) * width + m, (c * height + i) * width + j
            matrix[row, column] = scale * wave * float(signs[0, c, i, j]) * float(seen[0, c, k, m])
    return matrix


def block_mean_matrix(height: int, width: int, r: int) -> Tensor:
    """Row (I, J) holds 1 / r^2 at the r^2 pixels of block (I, J)."""
    matrix = torch.zeros(height * width // r**2, height * width, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            matrix[(i // r) * (width // r) + j // r, i * width + j] = 1 / r**2
    return matrix


def box_blur_line(n: int, size: int, padding: str = "zero", taps: int | None = None) -> Tensor:
    """B[i, j] = how many of the taps at i - size // 2, ... land on j, over ``size``."""
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for k in range(size if taps is None else taps):
            j = i - size // 2 + k
            if padding == "circular":
                matrix[i, j % n] += 1 / size
            elif 0 <= j < n:
                matrix[i, j] += 1 / size
    return matrix


def truncated(matrix: Tensor, cut: float) -> Tensor:
    """The matrix without its singular values below ``cut``, by a dense decomposition."""
    u, s, vt = torch.linalg.svd(matrix)
    return u @ torch.diag(torch.where(s < cut, 0.0, s)) @ vt


def official_blur_matrix(n: int, channels: int, size: int = 9) -> Tensor:
    """The blur of the official DDRM program, coordinate by coordinate.

    Eight of nine taps; 1-D singular values below 0.03 dropped; coefficient number C p + c is that of the p-th
    largest 2-D value in channel c, and its singular value is number (C p + c) mod n^2 of the sorted list.
    """
    line = box_blur_line(n, size, taps=size - 1)
    u, s, vt = torch.linalg.svd(line)
    kept_values = [float(value) if value >= 0.03 else 0.0 for value in s]
    pairs = sorted(
        ((i, j) for i in range(n) for j in range(n)), key=lambda ij: -kept_values[ij[0]] * kept_values[ij[1]]
    )
    ordered = [kept_values[i] * kept_values[j] for i, j in pairs]
    full = []
    for channel in range(channels):
        matrix = torch.zeros(n * n, n * n, dtype=torch.float64)
        for rank, (i, j) in enumerate(pairs):
            value = ordered[(channels * rank + channel) % len(ordered)]
            left, right = torch.kron(u[:, i], u[:, j]), torch.kron(vt[i], vt[j])
            matrix += value * torch.outer(left, right)
        full.append(matrix)
    return torch.block_diag(*full)
