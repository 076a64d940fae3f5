"""Figures and pictures of learned priors: distance of C to the end of the flow, samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mapga.pixels import to_uint8
from mapga.priors.base import SIGMA_MAX, SIGMA_MIN
from mapga.training.data import step_generator
from mapga.training.trajectories import Denoiser, integrate

__all__ = ["flow_end", "karras_levels", "noised", "rmse", "sample_consistency", "sample_heun", "write_grid"]

Answer = Callable[[Tensor, Tensor], Tensor]
SECOND_LEVEL = 0.8  # where two-step consistency sampling adds noise again


def rmse(a: Tensor, b: Tensor) -> float:
    """Root of the mean squared difference of two tensors of one shape."""
    return float((a.double() - b.double()).square().mean().sqrt())


def karras_levels(start: float, steps: int, count: int) -> Tensor:
    """Rho-7 levels (steps + 1, count) from ``start`` to sigma_min, the same for each image."""
    u = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    high, low = start ** (1 / 7), SIGMA_MIN ** (1 / 7)
    levels = (high + u * (low - high)) ** 7
    return levels.float()[:, None].expand(-1, count)


def noised(clean: Tensor, sigma: float, seed: int) -> Tensor:
    """x_0 + sigma n with noise that depends on the seed only."""
    generator = step_generator(seed, "evaluation", 0)
    return clean + sigma * torch.randn(clean.shape, generator=generator).to(clean)


def flow_end(denoiser: Denoiser, x: Tensor, sigma: float, steps: int) -> Tensor:
    """Where the flow takes x (B, C, H, W) from sigma, by ``steps`` Heun steps."""
    return integrate(denoiser, x, karras_levels(sigma, steps, len(x)).to(x.device))[-1]


@torch.no_grad()
def sample_consistency(answer: Answer, shape: tuple[int, ...], seed: int, steps: int) -> Tensor:
    """Samples of shape (B, C, H, W) by one or two evaluations of a consistency function.

    Source: Song et al., 2023, arXiv 2303.01469, algorithm 1.
    """
    generator = step_generator(seed, "samples", 0)
    x = answer(SIGMA_MAX * torch.randn(shape, generator=generator), torch.full((shape[0],), SIGMA_MAX))
    for _ in range(steps - 1):
        spread = (SECOND_LEVEL**2 - SIGMA_MIN**2) ** 0.5
        x = answer(x + spread * torch.randn(shape, generator=generator).to(x), torch.full((shape[0],), SECOND_LEVEL))
    return x


def sample_heun(denoiser: Denoiser, shape: tuple[int, ...], seed: int, steps: int) -> Tensor:
    """Samples (B, C, H, W) by ``steps`` Heun steps of the flow, from the noise of ``sample_consistency``."""
    generator = step_generator(seed, "samples", 0)
    return flow_end(denoiser, SIGMA_MAX * torch.randn(shape, generator=generator), SIGMA_MAX, steps)


def write_grid(path: Path, images: Tensor, columns: int = 8) -> None:
    """A PNG of images (B, C, H, W) in [-1, 1], ``columns`` a row, one grey pixel apart."""
    pixels = to_uint8(images)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 128, np.uint8)
    for i, picture in enumerate(pixels):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    whole = path.with_name(path.name + ".part")
    Image.fromarray(sheet.squeeze(-1) if channels == 1 else sheet).save(whole, format="png")
    whole.replace(path)
