"""Metrics of float images: rounded to 8 bits as a run does it, and scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mapga.errors import ConfigError
from mapga.lazy import torch
from mapga.metrics.base import ImageMetric, Metric, SetMetric
from mapga.metrics.reference import halves
from mapga.metrics.references import reference_for, too_few
from mapga.metrics.sampled import SpreadMetric
from mapga.metrics.scored import Scored
from mapga.metrics.sequence import SequenceMetric, sequences
from mapga.pixels import Rounding, from_uint8, to_uint8
from mapga.posteriors.exact import condition, given
from mapga.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.priors.base import Prior

__all__ = ["Metrics"]


class Metrics:
    """Several metrics at once.

    Args:
        metrics: In the order in which their numbers are given.
        training: The images that a metric with ``reference="training"`` compares with, uint8 (N, H, W, C).

    Raises:
        ConfigError: A metric of several samples.
    """

    def __init__(self, metrics: Sequence[Metric], training: Callable[[], np.ndarray]) -> None:
        if spread := [metric.name for metric in metrics if isinstance(metric, SpreadMetric)]:
            raise ConfigError(
                f"metrics.{spread[0]} compares several samples of each measurement, which runs make: "
                "mapga run samples=100 metrics=spread"
            )
        self.metrics = tuple(one for one in metrics if isinstance(one, ImageMetric | SetMetric | SequenceMetric))
        self.training = training

    def __repr__(self) -> str:
        return f"Metrics({', '.join(metric.name for metric in self.metrics)})"

    def __call__(
        self,
        restored: Tensor,
        truth: Tensor,
        *,
        problem: Problem | None = None,
        prior: Prior | None = None,
        labels: Tensor | None = None,
        rounding: Rounding = "round",
    ) -> dict[str, np.ndarray | float]:
        """The numbers by their metrics' names: float64 (N,), one an image; of a metric of sets or
        sequences one for all.

        An image that diverged has NaN. A metric of sets has NaN of fewer than two images, one
        of sequences their mean over those that have all frames, rows in order.

        Args:
            restored: (N, C, H, W), or a single one (C, H, W); what lies outside [-1, 1] is clipped.
            truth: As many, row for row.
            problem: What was measured; without it metrics that compare with the measurement are left out, and an
                answer as good as another (the rotated one of phase retrieval) is not known for it.
            prior: An exact one, for metrics that compare with its posterior; without it they are left out.
            labels: int64 (N,); None: those that a truth of ``load_images`` knows.
            rounding: How images become uint8.

        Raises:
            ValueError: Images that do not fit each other or a metric.
        """
        from mapga.library.images import Images, batch_of

        clean = batch_of(truth, "truth")
        answers = restored if restored.ndim == 4 else restored[None]
        labels = truth.labels if labels is None and isinstance(truth, Images) else labels
        classes = None if labels is None else np.asarray(labels.cpu(), dtype=np.int64)
        lost = ~answers.isfinite().flatten(1).all(1).cpu().numpy()
        exact = None if problem is None else problem.to("cpu", torch.float64)
        stored, true = to_uint8(answers.nan_to_num(), rounding), to_uint8(clean, rounding)
        if exact is not None:
            stored = to_uint8(exact.operator.nearest(from_uint8(stored), from_uint8(true)))
        asked = [metric for metric in self.metrics if problem is not None or not metric.needs_problem]
        asked = [metric for metric in asked if prior is not None or not metric.needs_posterior]
        posteriors = None
        if exact is not None and prior is not None and any(metric.needs_posterior for metric in asked):
            known = condition(prior, exact.operator, exact.sigma_y, exact.y)
            posteriors = [given(known, exact.y[k : k + 1], prior.image_shape) for k in range(len(exact))]
        scored = Scored(stored, true, classes, exact, posteriors)
        return {metric.name: self._numbers(metric, scored, lost) for metric in asked}

    def _numbers(
        self, metric: ImageMetric | SetMetric | SequenceMetric, scored: Scored, lost: np.ndarray
    ) -> np.ndarray | float:
        metric.check(scored.truth, labelled=scored.labels is not None)
        if isinstance(metric, ImageMetric):
            return np.where(lost, math.nan, metric(scored))
        rows = np.flatnonzero(~lost).tolist()
        if isinstance(metric, SequenceMetric):
            restored, truth = scored.restored[~lost], scored.truth[~lost]
            numbers = [metric.number(restored[one], truth[one]) for one in sequences(rows, metric.frames)]
            return float(np.mean(numbers)) if numbers else math.nan
        if too_few(metric, rows):
            return math.nan
        reference = reference_for(
            metric,
            truth_features=metric.features(scored.truth[rows]),
            restored_indices=rows,
            truth_indices=rows,
            training=self.training,
            first=halves(rows),
        )
        return metric.compare(metric.features(scored.restored[rows]), reference).value
