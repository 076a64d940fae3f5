"""What a metric of several samples is: they stand to the exact posterior as exact samples would, or do not.

Whatever is told is told of as many exact samples in their place too, the floor: two sets of exact samples differ too.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mapga.metrics.base import Metric
from mapga.metrics.statistics import bootstrap_interval

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = ["Sampled", "SpreadMetric", "SpreadScore"]


@dataclass(frozen=True)
class Sampled:
    """One measurement and its samples.

    Attributes:
        samples: Answers as stored, float64 (1, K, C, H, W).
        truth: (1, C, H, W).
        posterior: p(x | y).
        index: Of the image in its dataset.
    """

    samples: Tensor
    truth: Tensor
    posterior: Exact
    index: int

    @property
    def count(self) -> int:
        """K."""
        return self.samples.shape[1]

    @cached_property
    def exact(self) -> Tensor:
        """As many exact samples, (1, K, C, H, W), functions of the index."""
        return self._drawn[:, : self.count]

    @cached_property
    def faultless(self) -> Sampled:
        """The same with other exact samples in the place of the answers."""
        other = replace(self, samples=self._drawn[:, self.count :])
        other.__dict__["exact"] = self.exact
        return other

    @cached_property
    def _drawn(self) -> Tensor:
        return self.posterior.sample(2 * self.count, seed=0, indices=[self.index])


@dataclass(frozen=True)
class SpreadScore:
    """What a metric says of all measurements.

    Attributes:
        value, low, high: With the ends of its 95 % interval over measurements.
        added: What each measurement adds to the value, (N,) of mean 0; None where it is no mean.
        more: What else is kept beside it.
        notes: What a reader must know.
    """

    value: float
    low: float
    high: float
    added: np.ndarray | None = None
    more: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class SpreadMetric(Metric):
    """Of K >= 2 samples of each measurement: numbers of one measurement, and what they come to over all."""

    needs_problem: ClassVar[bool] = True
    needs_posterior: ClassVar[bool] = True
    lower_is_better = True

    @abstractmethod
    def number(self, one: Sampled) -> Sequence[float]:
        """Of one measurement, whatever the others are."""

    def score(self, numbers: np.ndarray, samples: int) -> SpreadScore:
        """What the numbers of N measurements (N, R) come to; here their mean, R = 1."""
        values = numbers[:, 0]
        if not np.isfinite(values).all():
            return SpreadScore(
                math.nan, math.nan, math.nan, notes=(f"{self.name}: a posterior without spread has none",)
            )
        interval = bootstrap_interval(values)
        return SpreadScore(interval.mean, interval.low, interval.high, values - values.mean())
