"""How much an answer to a sequence changes from frame to frame where the truth does not."""

from __future__ import annotations

import numpy as np

from mapga.card import MetricCard
from mapga.metrics.sequence import SequenceMetric

__all__ = ["Flicker"]


class Flicker(SequenceMetric):
    r"""sqrt(mean |(x_{f+1} - x_f) - (t_{f+1} - t_f)|^2) over pixels and neighbouring frames, images in [-1, 1].

    An error that stays where it is, whatever its size, does not flicker; nor does motion that is right. Of errors that
    are independent from frame to frame it is sqrt(2) times their rms.

    Args:
        frames: Of a sequence, >= 2: images k F .. k F + F - 1 of the dataset are sequence k.

    Raises:
        ValueError: One frame, or none.
    """

    card = MetricCard(digits=4, order=30, titles={"flicker": "Flicker"})
    name = "flicker"

    def __init__(self, frames: int = 8) -> None:
        if frames < 2:
            raise ValueError(
                f"frames={frames}: a sequence has two at least, since flicker is what changes between them"
            )
        self.frames = frames

    def number(self, restored: np.ndarray, truth: np.ndarray) -> float:
        error = (restored.astype(np.float64) - truth.astype(np.float64)) / 127.5
        return float(np.sqrt(np.square(np.diff(error, axis=0)).mean()))
