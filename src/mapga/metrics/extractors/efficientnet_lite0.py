r"""EfficientNet-Lite0 up to its last averages, by a dictionary of weights of the PyTorch port.

Images are resized to 224 by an antialiased bicubic filter, clipped to 0..255 and mapped to (x - 127) / 128, the
network's own preprocessing.

Source: Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, arXiv
1905.11946; the Lite variant (no squeeze-and-excitation, ReLU6) of the TensorFlow repository, 2020.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["pooled"]

_SIDE = 224
# (repeats, stride of the first, whether the blocks expand); kernels and widths are the weights' own
_GROUPS = [(1, 1, False), (2, 2, True), (2, 2, True), (3, 2, True), (3, 1, True), (4, 2, True), (1, 1, True)]
_EPSILON = 1e-3


def pooled(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..255 to (B, 1280)."""
    return _last_map(weights, images).mean(dim=(2, 3))


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
