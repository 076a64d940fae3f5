"""What any reader can check of any metric: best for equal images, worse with noise, worse with blur."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.pictures import blurred, with_noise
from mapga.datasets import MNIST
from mapga.files.fetch import sha256_of
from mapga.metrics import (
    FID,
    KID,
    LPIPS,
    PSNR,
    SSIM,
    DataConsistency,
    FDDigits,
    FDEfficientNet,
    ImageMetric,
    Scored,
    SetMetric,
    ShiftTolerantLPIPS,
)
from mapga.metrics.extractors.digits_net import WEIGHTS
from mapga.metrics.reference import Reference
from mapga.pixels import from_uint8

NOISE = (5, 10, 20, 40, 80)
CASES = [
    "psnr",
    "ssim",
    "consistency",
    "lpips_alex",
    "stlpips_alex",
    "fid_clean",
    "fid_legacy",
]  # kid is of independent sets
CASES += ["fd_efficientnet", "fd_digits"]


@dataclass(frozen=True)
class Identity:
    """y = x."""

    n_measurements: int

    def apply(self, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class Problem:
    """A noiseless measurement of the true images."""

    y: Tensor
    operator: Identity
    sigma_y: float = 0.0


@pytest.fixture
def metric(
    request: pytest.FixtureRequest, random_backbones: dict[str, Path], inception: Path
) -> ImageMetric | SetMetric:
    settings = {"weights": str(inception), "sha256": sha256_of(inception)}
    alex = random_backbones["alex"]
    build: dict[str, Callable[[], ImageMetric | SetMetric]] = {
        "psnr": PSNR,
        "ssim": SSIM,
        "consistency": DataConsistency,
        "lpips_alex": lambda: LPIPS(weights=str(alex), sha256=sha256_of(alex)),
        "stlpips_alex": ShiftTolerantLPIPS,
        "fid_clean": lambda: FID("clean", **settings),
        "fid_legacy": lambda: FID("legacy", **settings),
        "kid": lambda: KID(**settings),
        "fd_efficientnet": FDEfficientNet,
        "fd_digits": FDDigits,
    }
    if request.param == "fd_digits" and not WEIGHTS.exists():
        pytest.skip("the digit classifier is not trained")
    built = build[request.param]()
    if built.missing():
        pytest.skip(built.missing()[0])
    return built


@pytest.fixture
def truth(metric: ImageMetric | SetMetric, photos: np.ndarray) -> np.ndarray:
    if isinstance(metric, FDDigits):
        dataset = MNIST(limit=40)
        return np.stack([dataset[i].image for i in range(40)])
    return photos[::4] if isinstance(metric, FDEfficientNet) else photos[::2]


def value_of(metric: ImageMetric | SetMetric, restored: np.ndarray, truth: np.ndarray) -> float:
    """The mean of a per-image metric, or the distance from the truths; larger is worse."""
    sign = 1 if metric.lower_is_better else -1
    if isinstance(metric, ImageMetric):
        x = from_uint8(truth)
        problem = Problem(x, Identity(x[0].numel()))
        return sign * float(metric(Scored(restored, truth, problem=problem)).mean())
    features = metric.features(truth)
    reference = Reference("these", len(features), features.mean(axis=0), features)
    return sign * metric.compare(metric.features(restored), reference).value


@pytest.mark.parametrize("metric", CASES, indirect=True)
def test_best_for_equal_and_worse_with_every_level_of_noise(metric: ImageMetric | SetMetric, truth: np.ndarray) -> None:
    best = value_of(metric, truth, truth)
    expected = {"psnr": -np.inf, "ssim": -1.0}.get(metric.name, 0.0)
    assert best == pytest.approx(expected, abs=1e-9)
    values = [best] + [value_of(metric, with_noise(truth, sigma), truth) for sigma in NOISE]
    assert (np.diff(values) > 0).all(), values


@pytest.mark.parametrize("metric", CASES, indirect=True)
def test_blurred_is_behind_sharp(metric: ImageMetric | SetMetric, truth: np.ndarray) -> None:
    sharp, soft = blurred(truth, 0.5), blurred(truth, 2.0)
    assert value_of(metric, truth, truth) < value_of(metric, sharp, truth) < value_of(metric, soft, truth)


def test_metrics_do_not_touch_global_state(photos: np.ndarray) -> None:
    tf32, seed = torch.backends.cuda.matmul.allow_tf32, torch.random.get_rng_state()
    for metric in (PSNR(), SSIM()):
        metric(Scored(photos, photos))
    assert torch.backends.cuda.matmul.allow_tf32 == tf32
    assert torch.equal(torch.random.get_rng_state(), seed)
