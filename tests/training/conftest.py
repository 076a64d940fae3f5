"""A micro training: 8x8 grey blobs, a network of a few thousand weights, seconds a stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from mapga.datasets import Dataset, Item
from mapga.training import TrainingConfig
from mapga.training.evaluation import Evaluation


class Blobs(Dataset):
    """Squares at random places, drawn once."""

    n_classes = 10

    def __init__(self, count: int = 40, size: int = 8, channels: int = 1) -> None:
        self.image_shape = (channels, size, size)
        rng = np.random.default_rng(0)
        self._images = np.zeros((count, size, size, channels), np.uint8)
        for image, (top, left) in zip(self._images, rng.integers(0, size - 3, (count, 2)), strict=True):
            image[top : top + 4, left : left + 4] = 255

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, position: int) -> Item:
        return Item(position, self._images[position], position % 10)


MICRO = TrainingConfig(
    stage="denoiser",
    name="denoiser",
    steps=8,
    batch=4,
    warmup=2,
    decay=3,
    precision="fp32",
    device="cpu",
    widths=(8, 8),
    attention=(False, True),
    head=8,
    groups=4,
    augment=6.0,
    log_every=1,
    sample_every=8,
    checkpoint_every=3,
    trajectory_steps=3,
    trajectory_pool=4,
    trajectory_reuse=3,
)


@pytest.fixture(scope="session")
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def micro() -> TrainingConfig:
    return MICRO


@pytest.fixture
def distillation() -> TrainingConfig:
    return replace(MICRO, stage="distillation", name="consistency", trajectory_fraction=0.5, target_decay=0.9, steps=7)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads than on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def coloured() -> Blobs:
    return Blobs(channels=3)


@pytest.fixture(scope="session")
def digit_sized() -> Blobs:
    return Blobs(size=32)


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trajectories of the figures in two steps, not in twenty: they take most of a micro training's time."""
    monkeypatch.setattr(Evaluation, "FLOW_STEPS", 2)
    monkeypatch.setattr(Evaluation, "SAMPLING_STEPS", 2)
