"""Noise sources whose noise is known: zero, or written down."""

from __future__ import annotations

from torch import Tensor

__all__ = ["FixedNoise", "ZeroNoise"]


class FixedNoise:
    """Hands out given noise: ``start`` (B, ...) and ``steps`` (n, B, ...); it counts what was asked for."""

    def __init__(self, start: Tensor, steps: Tensor) -> None:
        self._start, self._steps = start, steps
        self.asked: list[int] = []

    def start(self, sigma: float) -> Tensor:
        return sigma * self._start

    def step(self, step: int) -> Tensor:
        self.asked.append(step)
        return self._steps[step]


class ZeroNoise:
    """No noise. A sampler that is affine in its noise then gives its mean."""

    def __init__(self, like: Tensor) -> None:
        self._zero = 0 * like

    def start(self, sigma: float) -> Tensor:
        return self._zero

    def step(self, step: int) -> Tensor:
        return self._zero
