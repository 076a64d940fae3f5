"""Checks of metrics, on images that they are given: pictures score better than pictures with noise on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from mapga.metrics.base import ImageMetric, SetMetric
from mapga.metrics.reference import Reference
from mapga.metrics.sampled import Sampled, SpreadMetric
from mapga.metrics.scored import Scored
from mapga.metrics.sequence import SequenceMetric, sequences
from mapga.operators.masks import Identity
from mapga.pixels import from_uint8
from mapga.posteriors.exact import Exact, condition, given
from mapga.priors.mixture import MixturePrior
from mapga.problem import Problem
from mapga.testing.failure import require, travelled

__all__ = ["batch_independence", "checks", "order", "pickling"]

Metric = ImageMetric | SetMetric | SpreadMetric | SequenceMetric
Labels = np.ndarray | None
_SIGMA_Y = 0.1


def checks(metric: Metric) -> list[Callable[[Metric, np.ndarray, Labels], None]]:
    """Those that apply to a metric. Each takes true images, uint8 (N, H, W, C), N >= 2, and labels or None.

    What compares with a posterior need not put the truth first; several samples, or frames, are one batch.
    """
    if isinstance(metric, SpreadMetric):
        return [pickling]
    if isinstance(metric, SequenceMetric):
        return [order, pickling]
    return [batch_independence, *([] if metric.needs_posterior else [order]), pickling]


def batch_independence(metric: Metric, truth: np.ndarray, labels: Labels = None) -> None:
    """An image has its number, or its features, whatever else is in the batch."""
    restored = _noisy(truth, 40)
    together = _each(metric, restored, truth, labels)
    require(len(together) == len(truth), f"{len(truth)} images have {len(together)} numbers")
    if isinstance(metric, ImageMetric):
        require(together.dtype == np.float64, f"its numbers are {together.dtype}: want float64")
        require(together.ndim == 1, f"its numbers have shape {together.shape}: want ({len(truth)},)")
    for k in range(len(truth)):
        alone = _each(metric, restored, truth, labels, slice(k, k + 1))
        require(np.array_equal(alone[0], together[k], equal_nan=True), f"image {k} alone and in company differ")


def order(metric: Metric, truth: np.ndarray, labels: Labels = None) -> None:
    """No answer beats the truth, and more noise is no better."""
    values = [_value(metric, _noisy(truth, level), truth, labels) for level in (0, 40, 120)]
    sign = 1 if metric.lower_is_better else -1
    exact, some, much = (sign * value for value in values)
    told = "truth, noise of 40 and of 120 grey levels score " + ", ".join(f"{value:.4g}" for value in values)
    better = "lower" if metric.lower_is_better else "higher"
    require(exact <= some <= much and exact < much, f"{told}, though {better} is better")


def pickling(metric: Metric, truth: np.ndarray, labels: Labels = None) -> None:
    """It gives the same numbers in another process."""
    here, there = (_each(one, _noisy(truth, 40), truth, labels) for one in (metric, travelled(metric)))
    require(np.array_equal(here, there, equal_nan=True), "once pickled it gives other numbers")


def _each(
    metric: Metric, restored: np.ndarray, truth: np.ndarray, labels: Labels, rows: slice = slice(None)
) -> np.ndarray:
    """Its numbers, or features, of some of the images, in one batch."""
    if isinstance(metric, SetMetric):
        return metric.features(restored[rows])
    if isinstance(metric, SequenceMetric):
        whole = sequences(range(len(truth)), metric.frames)
        return np.array([metric.number(restored[one], truth[one]) for one in whole])
    _, height, width, channels = truth.shape
    operator, images = Identity((channels, height, width)).to("cpu", torch.float64), from_uint8(truth)
    posteriors: list[Exact] = []
    if metric.needs_posterior:
        known = condition(MixturePrior(images, 0.2), operator, _SIGMA_Y, images)
        posteriors = [given(known, x[None], operator.image_shape) for x in images]
    if isinstance(metric, ImageMetric):
        problem = Problem(images[rows], operator, _SIGMA_Y, tuple(range(len(truth)))[rows])
        known_labels = None if labels is None else labels[rows]
        return metric(Scored(restored[rows], truth[rows], known_labels, problem, posteriors[rows]))
    return np.asarray(list(metric.number(Sampled(from_uint8(restored)[None], images[:1], posteriors[0], 0))))


def _value(metric: Metric, restored: np.ndarray, truth: np.ndarray, labels: Labels) -> float:
    found = _each(metric, restored, truth, labels)
    if not isinstance(metric, SetMetric):
        return float(found.mean())
    features = metric.features(truth)
    return metric.compare(found, Reference("these", len(features), features.mean(axis=0), features)).value


def _noisy(truth: np.ndarray, level: float) -> np.ndarray:
    noise = level * np.random.default_rng(0).standard_normal(truth.shape)
    return np.clip(truth + noise, 0, 255).round().astype(np.uint8)
