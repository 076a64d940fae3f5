"""What a metric of sequences is: a number of the frames of one, whatever other sequences there are.

Frames lie in order in a dataset: with F frames each, images k F .. k F + F - 1 are sequence k.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from mapga.metrics.base import Metric
from mapga.metrics.statistics import Interval, bootstrap_interval

__all__ = ["SequenceMetric", "sequences"]


class SequenceMetric(Metric):
    """Of sequences of as many frames each, and their mean.

    Attributes:
        frames: F >= 2.
    """

    lower_is_better = True
    frames: int

    @abstractmethod
    def number(self, restored: np.ndarray, truth: np.ndarray) -> float:
        """Of one sequence, its frames in order, uint8 (F, H, W, C)."""

    def interval(self, numbers: Sequence[float]) -> Interval:
        """Their mean, and its bootstrap interval over sequences."""
        return bootstrap_interval(numbers)


def sequences(indices: Sequence[int], frames: int) -> list[list[int]]:
    """The places in ``indices`` of the frames of every sequence that has all of them, in order.

    Args:
        indices: Of images in their dataset.
        frames: Of a sequence.
    """
    places = {index: place for place, index in enumerate(indices)}
    whole = [range(first, first + frames) for first in sorted(places) if first % frames == 0]
    return [[places[index] for index in one] for one in whole if all(index in places for index in one)]
