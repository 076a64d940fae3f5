"""Sampling from learned priors, the end of a flow, and pictures of many images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mapga.files.durable import replacing
from mapga.pixels import to_uint8
from mapga.schedules.base import SIGMA_MAX, SIGMA_MIN
from mapga.schedules.spaced import Karras
from mapga.training.data import step_generator
from mapga.training.trajectories import Denoiser, integrate

__all__ = ["flow_end", "noised", "rmse", "sample_consistency", "sample_heun", "write_grid"]

SECOND_LEVEL = 0.8  # where two-step consistency sampling adds noise again


def rmse(a: Tensor, b: Tensor) -> float:
    """Root of the mean squared difference of two tensors of one shape."""
    return float((a.double() - b.double()).square().mean().sqrt())


def noised(clean: Tensor, sigma: float, seed: int) -> Tensor:
    """x_0 + sigma n for images (B, C, H, W), with noise that depends on the seed only."""
    generator = step_generator(seed, "evaluation", 0)
    return clean + sigma * torch.randn(clean.shape, generator=generator).to(clean)


def flow_end(denoiser: Denoiser, x: Tensor, sigma: float, steps: int) -> Tensor:
    """Where the flow takes x (B, C, H, W) from sigma, by ``steps`` Heun steps on a rho-7 grid to sigma_min."""
    levels = Karras(sigma_max=sigma).levels(steps + 1).to(x)
    return integrate(denoiser, x, levels[:, None].expand(-1, len(x)))[-1]


@torch.no_grad()
def sample_consistency(consistency: Callable[[Tensor, Tensor], Tensor], like: Tensor, seed: int, steps: int) -> Tensor:
    """Samples by ``steps`` evaluations of a consistency function: from sigma_max, then from 0.8 again.

    Source: Song et al., 2023, arXiv 2303.01469, algorithm 1.

    Args:
        consistency: C(x, sigma).
        like: A tensor of the shape (B, C, H, W), device and dtype of the samples.
        seed: Of the noise.
        steps: Evaluations, >= 1.
    """
    generator = step_generator(seed, "samples", 0)
    x = consistency(_start(like, generator), like.new_full((len(like),), SIGMA_MAX))
    for _ in range(steps - 1):
        noise = torch.randn(like.shape, generator=generator).to(like)
        again = x + (SECOND_LEVEL**2 - SIGMA_MIN**2) ** 0.5 * noise
        x = consistency(again, like.new_full((len(like),), SECOND_LEVEL))
    return x


def sample_heun(denoiser: Denoiser, like: Tensor, seed: int, steps: int) -> Tensor:
    """Samples by ``steps`` Heun steps of the flow, from the noise ``sample_consistency`` starts with."""
    return flow_end(denoiser, _start(like, step_generator(seed, "samples", 0)), SIGMA_MAX, steps)


def write_grid(path: Path, images: Tensor, columns: int = 8) -> None:
    """A PNG of images (B, C, H, W) in [-1, 1], ``columns`` per row, one grey pixel apart; whole or absent."""
    pixels = to_uint8(images)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 128, np.uint8)
    for i, picture in enumerate(pixels):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    with replacing(path) as part:
        Image.fromarray(sheet.squeeze(-1) if channels == 1 else sheet).save(part, format="png")


def _start(like: Tensor, generator: torch.Generator) -> Tensor:
    return SIGMA_MAX * torch.randn(like.shape, generator=generator).to(like)
