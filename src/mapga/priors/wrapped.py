"""A prior around another: all that is known of the inner one is known of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from mapga.priors.base import Prior

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["WrappedPrior"]


class WrappedPrior(Prior):
    """Passes on everything but the answers, ``denoise`` and ``consistency``, which a wrapper is there to change.

    ``score`` follows from ``denoise``. Whatever gives another inner prior gives the same wrapper around it.

    Args:
        prior: The inner prior.
    """

    def __init__(self, prior: Prior) -> None:
        self._take(prior)

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        return self.prior.sample(indices, seed=seed)

    def labels_for(self, indices: Sequence[int], labels: Tensor | None) -> Tensor | None:
        return self.prior.labels_for(indices, labels)

    def conditioned(self, labels: Tensor | None) -> Self:
        return self._around(self.prior.conditioned(labels))

    def loaded(self) -> Self:
        return self._around(self.prior.loaded())

    def quick(self, *, half: bool) -> Self:
        inner = self.prior.quick(half=half)
        return self if inner is self.prior else self._around(inner)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return self._around(self.prior.to(device, dtype))

    def _around(self, prior: Prior) -> Self:
        other = copy.copy(self)
        other._take(prior)
        return other

    def _take(self, prior: Prior) -> None:
        self.prior = prior
        for name in Prior.__annotations__:
            setattr(self, name, getattr(prior, name))
