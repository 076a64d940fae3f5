"""The digit metrics, by the classifier that ships with the package."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.pictures import with_noise
from mapga.datasets import MNIST
from mapga.metrics import DigitAccuracy, FDDigits, Scored
from mapga.metrics.extractors.digits_net import WEIGHTS
from mapga.metrics.references import training_reference

pytestmark = pytest.mark.skipif(not WEIGHTS.exists(), reason="the digit classifier is not trained")


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    dataset = MNIST(limit=200)
    items = [dataset[i] for i in range(len(dataset))]
    return np.stack([item.image for item in items]), np.array([item.label for item in items])


def test_classifier_reads_true_digits_and_not_noise(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    metric = DigitAccuracy()
    accuracies = [metric(Scored(with_noise(images, sigma), images, labels)).mean() for sigma in (0, 40, 80, 160, 320)]
    assert accuracies[0] >= 0.97 and accuracies[-1] < 0.8
    assert (np.diff(accuracies) <= 0).all(), accuracies
    wrong = (labels + 1) % 10
    assert metric(Scored(images, images, wrong)).mean() < 0.03


def test_five_together_equal_five_alone(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images = digits[0][:5]
    metric = FDDigits()
    together = metric.features(images)
    assert together.shape[0] == 5 and together.ndim == 2
    alone = np.concatenate([metric.features(images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_training_digits_are_nearer_than_noisy_ones(digits: tuple[np.ndarray, np.ndarray]) -> None:
    metric = FDDigits("training")
    reference = training_reference(metric, MNIST().training()[::9])
    near = metric.compare(metric.features(digits[0]), reference)
    far = metric.compare(metric.features(with_noise(digits[0], 60)), reference)
    assert near.value < far.value
    assert near.key == f"fd_digits|n=200|reference={reference.name}" and reference.name.startswith("training@")


def test_other_images_are_refused(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, _ = digits
    with pytest.raises(ValueError, match="needs labels"):
        DigitAccuracy()(Scored(images, images))
    with pytest.raises(ValueError, match=r"expected 32x32 grey digits.*\(1, 28, 28\)"):
        FDDigits().features(images[:, 2:-2, 2:-2])
