"""The mean absolute error."""

import numpy as np

from mapga.card import MetricCard
from mapga.metrics.base import ImageMetric
from mapga.metrics.scored import Scored


class MAE(ImageMetric):
    """Mean of |restored - truth| over an image, 0..255."""

    card = MetricCard(digits=2)
    name = "mae"
    lower_is_better = True

    def __call__(self, batch: Scored) -> np.ndarray:
        difference = np.abs(batch.restored.astype(float) - batch.truth.astype(float))
        return difference.reshape(len(batch), -1).mean(axis=1)
