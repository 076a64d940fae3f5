"""What holds for every metric that a file of conf/metrics names and that needs nothing fetched, on digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.pictures import with_noise
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import options
from mapga.datasets.mnist import MNIST
from mapga.metrics.base import ImageMetric, Scored, SetMetric
from mapga.metrics.reference import Reference
from mapga.node import Node
from mapga.operators.masks import Identity
from mapga.pixels import from_uint8
from mapga.problem import Problem

NODES: dict[str, Node] = {
    name: node
    for file in options("metrics")
    for name, node in spec_of(compose_run([f"metrics={file}"])).metrics.items()
}
READY = [name for name, node in NODES.items() if not any(need.problem for need in node.build().needs())]
DIGITS = [MNIST(limit=12)[k] for k in range(12)]
TRUTH = np.stack([digit.image for digit in DIGITS])
LABELS = np.array([digit.label for digit in DIGITS])


def scored(restored: np.ndarray, rows: slice = slice(None)) -> Scored:
    operator = Identity((1, 32, 32)).to("cpu", torch.float64)
    problem = Problem(from_uint8(TRUTH[rows]), operator, 0.0)
    return Scored(restored[rows], TRUTH[rows], LABELS[rows], problem)


def test_something_is_ready():
    assert {"psnr", "ssim", "consistency", "digit_accuracy", "fd_digits"} <= set(READY)


@pytest.mark.parametrize("name", READY)
def test_an_image_has_its_number_whatever_else_is_in_the_batch(name):
    metric, restored = NODES[name].build(), with_noise(TRUTH, 40)
    if isinstance(metric, ImageMetric):
        together = metric(scored(restored))
        alone = np.concatenate([metric(scored(restored, slice(k, k + 1))) for k in range(len(TRUTH))])
        assert together.dtype == np.float64 and together.shape == (len(TRUTH),)
    else:
        together = metric.features(restored)
        alone = np.concatenate([metric.features(restored[k : k + 1]) for k in range(len(TRUTH))])
        assert together.ndim == 2 and len(together) == len(TRUTH)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", READY)
def test_no_answer_beats_the_truth_and_noise_is_no_better(name):
    metric = NODES[name].build()
    values = [_value(metric, restored) for restored in (TRUTH, with_noise(TRUTH, 40), with_noise(TRUTH, 120))]
    assert values[0] <= values[1] <= values[2] and values[0] < values[2], values


def _value(metric: ImageMetric | SetMetric, restored: np.ndarray) -> float:
    """Smaller is better."""
    sign = 1 if metric.lower_is_better else -1
    if isinstance(metric, ImageMetric):
        return sign * float(metric(scored(restored)).mean())
    features = metric.features(TRUTH)
    reference = Reference("these", len(features), features.mean(axis=0), features)
    return sign * metric.compare(metric.features(restored), reference).value
