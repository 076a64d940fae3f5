r"""An AlexNet whose every subsampling is blurred first, and the distance of images in its five layers.

Sources: Ghildyal, Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022, arXiv 2207.13686; blurred
subsampling: Zhang, "Making convolutional networks shift-invariant again", 2019, arXiv 1904.11486.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mapga.metrics.extractors.networks import resized

__all__ = ["distance"]

_EPSILON = 1e-10


def distance(weights: dict[str, Tensor], resize: int | None, restored: Tensor, truth: Tensor) -> Tensor:
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
