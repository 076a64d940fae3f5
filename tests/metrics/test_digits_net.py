"""The shipped digit classifier reads digits it has never seen, and refuses what it was not made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mapga.datasets import MNIST
from mapga.metrics.extractors.digits_net import WEIGHTS, DigitClassifier


@pytest.mark.parametrize("split", ["validation", "test"])
def test_it_reads_digits_it_has_not_seen(split: str) -> None:
    digits = MNIST(split)
    images = np.stack([digits[i].image for i in range(250)])
    labels = np.array([digits[i].label for i in range(250)])
    classifier = DigitClassifier()
    assert (classifier.logits(images).argmax(1).numpy() == labels).mean() >= 0.98
    assert classifier.features(images[:3]).shape == (3, 64)
    assert WEIGHTS.stat().st_size < 2**20


@pytest.mark.parametrize(
    "images", [np.zeros((1, 32, 32, 1), np.float32), np.zeros((1, 28, 28, 1), np.uint8), np.zeros((32, 32), np.uint8)]
)
def test_other_images_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"reads uint8 \(B, 32, 32, 1\), got"):
        DigitClassifier().logits(images)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut\.safetensors: damaged or cut"):
        DigitClassifier(cut)
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        DigitClassifier(tmp_path / "absent")
