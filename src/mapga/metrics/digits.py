"""Metrics of digits, by the classifier that ships with the package: does a restored digit read right?"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import sha256_of
from mapga.lazy import torch
from mapga.metrics.base import ImageMetric, SetMetric
from mapga.metrics.distribution import FrechetDistance, KernelDistance
from mapga.metrics.extractors.networks import per_image
from mapga.metrics.scored import Scored

if TYPE_CHECKING:
    from mapga.metrics.extractors.digits_net import DigitClassifier

__all__ = ["DigitAccuracy", "FDDigits", "KDDigits"]

_WEIGHTS = Path(__file__).parent / "weights" / "digit_classifier.safetensors"


class DigitAccuracy(ImageMetric):
    """1 where the classifier reads the restored digit as its label, else 0; the mean is an accuracy.

    The classifier itself reads 98 % of the true test digits or more; that is the ceiling to compare with.

    Raises:
        ValueError: A batch without labels, or images that are not 32x32 grey digits.
    """

    card = MetricCard(titles={"digit_accuracy": "Digit accuracy"})
    name = "digit_accuracy"
    lower_is_better = False

    def weight_hashes(self) -> dict[str, str]:
        return {"digit_classifier": sha256_of(_WEIGHTS)}

    def objection(self, image_shape: tuple[int, int, int], *, labelled: bool) -> str | None:
        return (
            _not_digits(self.name, image_shape) if labelled else f"{self.name} needs labels; use it with dataset=mnist"
        )

    def __call__(self, batch: Scored) -> np.ndarray:
        self.check(batch.restored, labelled=batch.labels is not None)
        classifier = _classifier(self.device)
        read = per_image(
            lambda x: classifier.logits(x.numpy()).argmax(dim=1), torch.from_numpy(np.array(batch.restored))
        )
        return (read.cpu().numpy() == batch.labels).astype(np.float64)


class _OnDigits(SetMetric):
    """A distance of sets in the 64 features of the digit classifier."""

    flavour = "digits"

    def objection(self, image_shape: tuple[int, int, int], *, labelled: bool) -> str | None:
        return _not_digits(self.name, image_shape)

    def features(self, images: np.ndarray) -> np.ndarray:
        self.check(images)
        classifier = _classifier(self.device)
        return per_image(lambda x: classifier.features(x.numpy()), torch.from_numpy(np.array(images))).cpu().numpy()

    def extractor_hash(self) -> str:
        return sha256_of(_WEIGHTS)

    def weight_hashes(self) -> dict[str, str]:
        return {**super().weight_hashes(), "digit_classifier": self.extractor_hash()}


class FDDigits(_OnDigits, FrechetDistance):
    """Frechet distance in the 64 features of the digit classifier.

    Args:
        reference: ``"crossed"``, ``"training"`` or an ``.npz`` statistics file made with these features.

    Raises:
        ValueError: An unknown reference, or images that are not 32x32 grey digits.
    """

    card = MetricCard(words=("reference",), digits=2, titles={"fd_digits": "FD (digits)"})
    name = "fd_digits"

    def __init__(self, reference: str = "crossed") -> None:
        super().__init__(reference)


class KDDigits(_OnDigits, KernelDistance):
    """Kernel distance in the same features: unbiased at any number of images.

    Args:
        reference: ``"crossed"`` or ``"training"``.

    Raises:
        ValueError: What ``KernelDistance`` refuses, or images that are not 32x32 grey digits.
    """

    card = MetricCard(words=("reference",), digits=4, titles={"kd_digits": "KD (digits)"})
    name = "kd_digits"

    def __init__(self, reference: str = "crossed") -> None:
        super().__init__(reference)


@cache
def _classifier(device: str) -> DigitClassifier:
    from mapga.metrics.extractors.digits_net import DigitClassifier

    return DigitClassifier(device=device)


def _not_digits(name: str, image_shape: tuple[int, int, int]) -> str | None:
    if image_shape == (1, 32, 32):
        return None
    return f"{name}: expected 32x32 grey digits, got images of shape (C, H, W) = {image_shape}; use dataset=mnist"
