r"""Shift-tolerant LPIPS: an AlexNet whose every subsampling is blurred first, with its own linear weights.

The same sum over five layers as LPIPS, but an image moved by a pixel keeps its distance. The weights
travel in the PyPI package ``stlpips-pytorch`` (extra ``offline``); the network is written here, because
importing that package needs libraries for training. Named ``stlpips_alex``: values do not compare with
``lpips_alex``.

Source: Ghildyal, Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022, arXiv 2207.13686; blurred
subsampling: Zhang, "Making convolutional networks shift-invariant again", 2019, arXiv 1904.11486.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapga.files.fetch import RemoteFile
from mapga.metrics.base import ImageMetric, Scored
from mapga.metrics.extractors.networks import as_rgb, load_state, package_folder, per_image
from mapga.metrics.perceptual import resized
from mapga.pixels import to_sym

__all__ = ["ShiftTolerantLPIPS"]

_SHA256 = "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"
_SMALLEST = 21  # three halvings, each padded by reflection, need that much
_EPSILON = 1e-10


class ShiftTolerantLPIPS(ImageMetric):
    """Shift-tolerant LPIPS (AlexNet) between restored and true images; 0 for equal images.

    Grey images count as three equal channels.

    Args:
        resize: Side in pixels that both images are resized to first (bilinear), or None; part of the name
            when set.

    Raises:
        ValueError: A resize or images smaller than the network allows.
        ImportError: The extra ``offline`` is not installed (when first used).
        FileRefusedError: The package's weights are not the known ones (when first used).
    """

    lower_is_better = True

    def __init__(self, resize: int | None = None) -> None:
        if resize is not None and resize < _SMALLEST:
            raise ValueError(f"stlpips.resize={resize}: the network needs at least {_SMALLEST} pixels")
        self.resize = resize
        self.name = "stlpips_alex" if resize is None else f"stlpips_alex_r{resize}"
        self._device = torch.device("cpu")

    def __call__(self, batch: Scored) -> np.ndarray:
        if self.resize is None and min(batch.truth.shape[1:3]) < _SMALLEST:
            raise ValueError(
                f"{self.name}: the network needs at least {_SMALLEST} pixels a side, got "
                f"{batch.truth.shape[1:3]}; set stlpips.resize, e.g. 64"
            )
        weights = _weights(_weights_file().verified(), self._device)
        images = [to_sym(as_rgb(stored, self._device) / 255) for stored in (batch.restored, batch.truth)]
        return per_image(partial(_distance, weights, self.resize), *images).double().cpu().numpy()

    def missing(self) -> list[str]:
        try:
            problem = _weights_file().problem()
        except ImportError as error:
            problem = str(error)
        return [] if problem is None else [problem]

    def to(self, device: torch.device | str) -> Self:
        self._device = torch.device(device)
        return self


def _weights_file() -> RemoteFile:
    folder = package_folder("stlpips_pytorch", extra="offline", needed_by="stlpips_alex")
    path = folder / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
    return RemoteFile("stlpips", path.name, "pip install 'mapga[offline]'", _SHA256, local=path)


@cache
def _weights(path: Path, device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in load_state(path).items()}


def _distance(weights: dict[str, Tensor], resize: int | None, restored: Tensor, truth: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] twice to (B,)."""
    if resize is not None:
        restored, truth = resized(restored, resize), resized(truth, resize)
    total = torch.zeros(len(restored), device=restored.device)
    for layer, (x, y) in enumerate(zip(_layers(weights, restored), _layers(weights, truth), strict=True)):
        weighted = functional.conv2d((x - y).square(), weights[f"lin{layer}.model.1.weight"])
        total = total + weighted.mean(dim=(1, 2, 3))
    return total


def _layers(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The five feature maps, normalised along their channels."""
    x = (x - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    x = functional.relu(_blurred(_convolution(weights, "slice1.0", x, padding=2), weights, "slice1.1"))
    maps = [x]
    for convolution, blur, padding in [("slice2.5", "slice2.4", 2), ("slice3.9", "slice3.8", 1)]:
        x = _blurred(functional.max_pool2d(x, kernel_size=3, stride=1), weights, blur)
        x = functional.relu(_convolution(weights, convolution, x, padding=padding))
        maps.append(x)
    for convolution in ("slice4.11", "slice5.13"):
        x = functional.relu(_convolution(weights, convolution, x, padding=1))
        maps.append(x)
    return [x / (x.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON) for x in maps]


def _convolution(weights: dict[str, Tensor], name: str, x: Tensor, *, padding: int) -> Tensor:
    return functional.conv2d(x, weights[f"net.{name}.weight"], weights[f"net.{name}.bias"], padding=padding)


def _blurred(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    """Halved in size after a binomial blur of each channel."""
    blur = weights[f"net.{name}.filt"]
    x = functional.pad(x, [2, 2, 2, 2], mode="reflect")
    return functional.conv2d(x, blur, stride=2, groups=x.shape[1])
