"""Worse versions of pictures, and a small network in the form of the Inception file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


def with_noise(images: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """Images plus Gaussian noise of ``sigma`` grey levels, rounded and clipped."""
    noise = np.random.default_rng(seed).standard_normal(images.shape)
    return np.clip(np.rint(images + sigma * noise), 0, 255).astype(np.uint8)


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Images after a Gaussian blur of ``sigma`` pixels."""
    from skimage.filters import gaussian

    smooth = [gaussian(image.astype(float), sigma=sigma, channel_axis=-1) for image in images]
    return np.rint(np.clip(smooth, 0, 255)).astype(np.uint8)


class StandInLayers(nn.Module):
    """(B, 3, 299, 299) in [-1, 1] -> (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 7, stride=8)
        self.second = nn.Conv2d(32, 64, 3, stride=2)
        self.last = nn.Linear(64, width)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.second(x))
        return torch.relu(30 * self.last(x.mean(dim=(2, 3))))


class StandInInception(nn.Module):
    """Built like the TorchScript Inception: ``layers`` without, ``forward`` with resizing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = StandInLayers(width)

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        x = nn.functional.interpolate(img, size=(299, 299), mode="bilinear", align_corners=False)
        x = self.layers((x - 128) / 128)
        return x if return_features else x.softmax(dim=1)


def save_inception(path: Path, width: int) -> Path:
    """A stand-in for the TorchScript Inception file with ``width`` random, fixed features."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(1)
        script = torch.jit.script(StandInInception(width))
    script.save(str(path))
    return path
