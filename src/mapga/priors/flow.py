r"""The probability flow of a denoiser, dx/dsigma = (x - D(x, sigma)) / sigma, one step at a time or to its end.

Heun's method from s to t < s, two evaluations per step and of second order:

    d = (x - D(x, s)) / s,    e = x + (t - s) d,    x' = x + (t - s) (d + (e - D(e, t)) / t) / 2

Source: Karras et al., 2022, arXiv 2206.00364, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from mapga.priors.base import expand_sigma
from mapga.schedules.spaced import karras_levels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["heun_flow", "heun_step"]


def heun_step(denoiser: Callable[[Tensor, Tensor], Tensor], x: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """One Heun step of images x (B, C, H, W), differentiable.

    Args:
        denoiser: D(x, sigma).
        x: Images at the first level.
        start: The first level, (1,) or one per image (B,); any shape that holds as many numbers.
        end: The next one, 0 < end < start, of the same shape.
    """
    s, t = expand_sigma(start, x), expand_sigma(end, x)
    slope = (x - denoiser(x, start)) / s
    reached = x + (t - s) * slope
    return x + (t - s) * (slope + (reached - denoiser(reached, end)) / t) / 2


def heun_flow(
    denoiser: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: float | Tensor, sigma_min: float, steps: int
) -> Tensor:
    """The end at sigma_min of the trajectories through x (B, C, H, W) at sigma, differentiable; x itself at sigma_min.

    Args:
        denoiser: D(x, sigma).
        x: Images at sigma.
        sigma: Where they are, >= sigma_min, a number or one per image (B,).
        sigma_min: Where they end, > 0.
        steps: Heun steps, on the rho = 7 grid between the two; the error is of second order in 1 / steps.
    """
    start = expand_sigma(sigma, x)
    levels = [karras_levels(k / steps, start, sigma_min) for k in range(steps)]
    for now, then in pairwise([*levels, expand_sigma(sigma_min, x)]):
        x = heun_step(denoiser, x, now, then)
    return x
