"""A small classifier of 32x32 digits: its labels say whether a restored digit still reads as the right
one, its features are the space of a Frechet distance for digits.

Trained by ``mapga train`` (stage ``classifier`` of ``conf/train/mnist.yaml``) on the 4,500 training digits
only.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

__all__ = ["WEIGHTS", "DigitClassifier", "DigitNet"]

WEIGHTS = Path(__file__).parents[1] / "weights" / "digit_classifier.safetensors"
FORMAT = "mapga-digits-1"
FEATURES = 64


class DigitNet(nn.Module):
    """Logits (B, 10) of images (B, 1, 32, 32) in [-1, 1]: three pairs of convolutions, one hidden layer of
    64."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width in (24, 48, 96):
            for _ in range(2):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.GroupNorm(8, width), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, FEATURES))
        self.head = nn.Linear(FEATURES, 10)

    def features(self, x: Tensor) -> Tensor:
        """The hidden layer (B, 64) before its rectifier."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.features(x)))


class DigitClassifier:
    """The trained classifier, as metrics use it.

    Args:
        path: Weights file; the shipped one by default.
        device: Where it computes.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A cut file, or one of another format.
    """

    def __init__(self, path: Path = WEIGHTS, *, device: torch.device | str = "cpu") -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such weights file; reinstall mapga, or run `mapga train`")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get("mapga", "{}"))
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path}: damaged or cut weights file ({error}); reinstall mapga") from None
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{path}: format {metadata.get('format')!r} is not {FORMAT!r}; reinstall mapga")
        self.device = torch.device(device)
        self._net = DigitNet()
        self._net.load_state_dict(tensors)
        self._net.requires_grad_(False).eval().to(self.device)

    def features(self, images: np.ndarray) -> Tensor:
        """Features float32 (B, 64) of uint8 digits (B, 32, 32, 1).

        Raises:
            ValueError: Another dtype or shape.
        """
        return self._net.features(self._input(images))

    def logits(self, images: np.ndarray) -> Tensor:
        """Logits float32 (B, 10) of uint8 digits (B, 32, 32, 1).

        Raises:
            ValueError: Another dtype or shape.
        """
        return self._net(self._input(images))

    def _input(self, images: np.ndarray) -> Tensor:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (32, 32, 1):
            raise ValueError(f"the digit classifier reads uint8 (B, 32, 32, 1), got {images.dtype} {images.shape}")
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
