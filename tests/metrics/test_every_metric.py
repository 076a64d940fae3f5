"""What holds for every metric that a file of conf/metrics names and that needs nothing fetched, on digits."""

from __future__ import annotations

import numpy as np
import pytest

from mapga.config.compose import compose_run, spec_of
from mapga.config.files import options
from mapga.datasets.mnist import MNIST
from mapga.node import Node
from mapga.testing import metrics

NODES: dict[str, Node] = {
    name: node
    for file in options("metrics")
    for name, node in spec_of(compose_run([f"metrics={file}"])).metrics.items()
}
READY = [name for name, node in NODES.items() if not any(need.problem for need in node.build().needs())]
DIGITS = [MNIST(limit=12)[k] for k in range(12)]
TRUTH = np.stack([digit.image for digit in DIGITS])
LABELS = np.array([digit.label for digit in DIGITS])


def test_something_is_ready():
    assert {"psnr", "ssim", "consistency", "digit_accuracy", "fd_digits"} <= set(READY)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, one, id=f"{name}-{one.__name__}")
        for name in READY
        for one in metrics.checks(NODES[name].build())
    ],
)
def test_it_is_what_the_suite_takes_for_granted(name, check):
    check(NODES[name].build(), TRUTH, LABELS)
