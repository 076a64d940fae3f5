"""How good a solver's states are on their way, measured as it goes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mapga.operators.base import Operator
from mapga.records.trace import Trace
from mapga.run.meter import Meter
from mapga.solvers.base import State

__all__ = ["Tracer"]

_PEAK = 2.0  # of images in [-1, 1]
_EXACT = 1e-10  # the smallest mean squared error that is told from 0


class Tracer:
    """Notes of each state its noise level, the passes spent so far, and each image's PSNR of its estimate.

    Args:
        clean: The true images (B, C, H, W) in [-1, 1]. Solvers never see them.
        meter: Counts the solver's network passes.
        operator: A, which knows what is as good an answer as an estimate.
    """

    def __init__(self, clean: Tensor, meter: Meter, operator: Operator) -> None:
        self._clean, self._meter, self._operator = clean, meter, operator
        self._sigma: list[float] = []
        self._passes: list[int] = []
        self._psnr: list[Tensor] = []

    def __call__(self, state: State) -> None:
        estimate = state.estimate.clamp(-1, 1)
        clean = self._clean.to(estimate)
        error = (self._operator.nearest(estimate, clean) - clean).square().flatten(1).mean(1)
        self._sigma.append(state.sigma)
        self._passes.append(self._meter.forward + self._meter.vjp)
        self._psnr.append(10 * (_PEAK**2 / error.clamp(min=_EXACT)).log10())

    def trace(self, rows: Sequence[int]) -> Trace:
        """What was noted, for the batch of these rows. Waits for the device."""
        told = torch.stack(self._psnr).cpu().double()
        rounded = [[round(value, 4) if value == value else None for value in line] for line in told.tolist()]
        return Trace(list(rows), self._sigma, self._passes, rounded)
