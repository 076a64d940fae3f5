"""A prior that counts and times its own passes, so that cost is measured and not declared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mapga.priors.base import Prior
from mapga.priors.wrapped import WrappedPrior

__all__ = ["Meter", "MeteredPrior"]


@dataclass
class Meter:
    """Counts of passes of a whole batch, and the time they took.

    A forward pass is one call of the denoiser or of the consistency function; a vector-Jacobian product is one
    backward pass through such a call.
    """

    device: torch.device
    forward: int = 0
    vjp: int = 0
    _spans: list[tuple[object, object]] = field(default_factory=list, repr=False)

    def now(self) -> object:
        """A point in time on the device's own clock; nothing waits for it."""
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def add(self, begin: object, end: object) -> None:
        self._spans.append((begin, end))

    def seconds(self) -> float:
        """Time between all begins and ends. Waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return sum(_seconds(begin, end) for begin, end in self._spans)


def _seconds(begin: object, end: object) -> float:
    if isinstance(begin, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
        return begin.elapsed_time(end) / 1000
    assert isinstance(begin, float) and isinstance(end, float)
    return end - begin


class MeteredPrior(WrappedPrior):
    """The same prior, with every pass noted in a meter."""

    def __init__(self, prior: Prior, meter: Meter) -> None:
        super().__init__(prior)
        self.meter = meter

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._measured(self.prior.denoise, x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._measured(self.prior.consistency, x, sigma)

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._measured(self.prior.score, x, sigma)

    def _measured(
        self, function: Callable[[Tensor, float | Tensor], Tensor], x: Tensor, sigma: float | Tensor
    ) -> Tensor:
        meter = self.meter
        begin = meter.now()
        value = function(x, sigma)
        meter.add(begin, meter.now())
        meter.forward += 1
        if value.requires_grad:
            self._watch_backward(x, value)
        return value

    def _watch_backward(self, x: Tensor, value: Tensor) -> None:
        """Time the backward pass: it enters at the value's gradient and leaves at the input's."""
        meter = self.meter
        entered: list[object] = []

        def enter(_: Tensor) -> None:
            meter.vjp += 1
            entered.append(meter.now())

        def leave(_: Tensor) -> None:
            if entered:
                meter.add(entered.pop(), meter.now())

        value.register_hook(enter)
        if x.requires_grad:
            x.register_hook(leave)
