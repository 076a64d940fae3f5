r"""The probability flow of a denoiser, dx/dsigma = (x - D(x, sigma)) / sigma, one step at a time.

Heun's method from s to t < s, two evaluations per step and of second order:

    d = (x - D(x, s)) / s,    e = x + (t - s) d,    x' = x + (t - s) (d + (e - D(e, t)) / t) / 2

Source: Karras et al., 2022, arXiv 2206.00364, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mapga.priors.base import expand_sigma

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["heun_step"]


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
