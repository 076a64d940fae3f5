r"""Integration of the probability flow of a denoiser, dx/dsigma = (x - D(x, sigma)) / sigma, from s to t < s.

* Heun, two evaluations a step: d = (x - D(x, s)) / s,  e = x + (t - s) d,
  x' = x + (t - s) (d + (e - D(e, t)) / t) / 2.
* Multistep, one evaluation a step: with h = ln(s / t) and the last step's h_0 and D_0,
  x' = (t / s) x + (1 - t / s) (D + h / (2 h_0) (D - D_0)); the first step has D_0 = D.

Both are of second order. Sources: Karras et al., 2022, arXiv 2206.00364, algorithm 1; Lu et al.,
"DPM-Solver++", 2022, arXiv 2211.01095, algorithm 2 in the variance-exploding form.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from mapga.priors.base import expand_sigma
from mapga.schedules import SIGMA_MAX, SIGMA_MIN

__all__ = ["Denoiser", "heun_step", "integrate", "integrate_multistep", "rho_levels"]

Denoiser = Callable[[Tensor, Tensor], Tensor]
RHO = 7.0


def rho_levels(u: Tensor) -> Tensor:
    """Levels of the rho-7 grid at u in [0, 1], from sigma_max at 0 to sigma_min at 1; any shape."""
    high, low = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    return (high + u * (low - high)) ** RHO


def heun_step(denoiser: Denoiser, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """One Heun step of images (B, C, H, W) from levels ``start`` to ``end`` > 0, both (B,)."""
    s, t = expand_sigma(start, x), expand_sigma(end, x)
    slope = (x - denoiser(x, start)) / s
    reached = x + (t - s) * slope
    return x + (t - s) * (slope + (reached - denoiser(reached, end)) / t) / 2


@torch.no_grad()
def integrate(denoiser: Denoiser, x: Tensor, levels: Tensor) -> Tensor:
    """The states (n, B, C, H, W) of trajectories by Heun steps at levels (n, B), from x at the first one."""
    states = [x]
    for start, end in pairwise(levels):
        states.append(heun_step(denoiser, states[-1], start, end))
    return torch.stack(states)


@torch.no_grad()
def integrate_multistep(denoiser: Denoiser, x: Tensor, levels: Tensor) -> Tensor:
    """As ``integrate``, by multistep steps: half the evaluations for about the same error."""
    states = [x]
    before, span_before = x, x
    for step, (start, end) in enumerate(pairwise(levels)):
        s, t = expand_sigma(start, x), expand_sigma(end, x)
        clean, span = denoiser(states[-1], start), (s / t).log()
        ahead = clean if step == 0 else clean + span / (2 * span_before) * (clean - before)
        states.append(t / s * states[-1] + (1 - t / s) * ahead)
        before, span_before = clean, span
    return torch.stack(states)
