r"""Integration of the probability flow of a denoiser, dx/dsigma = (x - D(x, sigma)) / sigma, from s to t < s.

* Heun, two evaluations per step: ``mapga.priors.flow``.
* Multistep, one evaluation per step: with h = ln(s / t) and the last step's h_0 and D_0,
  x' = (t / s) x + (1 - t / s) (D + h / (2 h_0) (D - D_0)); the first step has D_0 = D.

Both are of second order. Source of the second: Lu et al., "DPM-Solver++", 2022, arXiv 2211.01095, algorithm 2 in the
variance-exploding form.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from mapga.priors.base import expand_sigma
from mapga.priors.flow import heun_step

__all__ = ["Denoiser", "integrate", "integrate_multistep"]

Denoiser = Callable[[Tensor, Tensor], Tensor]


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
