r"""LPIPS: how far two images are in the features of a classifier, weighted to agree with human judgement.

d = sum_l mean_{h,w} |w_l . (f_l(x) - f_l(y))|^2 over five layers l, with features f_l normalised along
their channels.

Source: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual
metric", 2018, arXiv 1801.03924. Computed by the package ``lpips``, version 0.1 of its weights. Its input
is [-1, 1]; feeding it [0, 1], as several peers do, gives other numbers.
"""

from __future__ import annotations

import re
import warnings
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import RemoteFile
from mapga.lazy import torch
from mapga.metrics.base import ImageMetric
from mapga.metrics.extractors.networks import (
    as_rgb,
    frozen,
    load_state,
    on_meta,
    optional,
    package_folder,
    per_image,
    resized,
)
from mapga.metrics.scored import Scored
from mapga.pixels import to_sym

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ALEXNET", "LPIPS", "VGG16", "Backbone"]

Backbone = Literal["alex", "vgg"]

# torchvision publishes the first eight digits of a file's SHA-256 in its name
ALEXNET = RemoteFile(
    "alexnet",
    "alexnet-owt-7be5be79.pth",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256="7be5be79",
    command="mapga prefetch metrics=paper",
)
VGG16 = RemoteFile(
    "vgg16",
    "vgg16-397923af.pth",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    size=553_433_881,
    command="mapga prefetch metrics=crosscheck",
)
_BACKBONES = {"alex": ALEXNET, "vgg": VGG16}
_SMALLEST = {"alex": 31, "vgg": 16}


class LPIPS(ImageMetric):
    """LPIPS between restored and true images. 0 for equal images; grey images count as three equal channels.

    The name says what was computed: ``lpips_alex`` is the published backbone at the images' own size,
    ``lpips_alex_r224`` after resizing, ``lpips_alex_w1a2b3c4d`` with other weights, by their hash.

    Args:
        backbone: ``"alex"`` (AlexNet) or ``"vgg"`` (VGG16).
        resize: Side in pixels that both images are resized to first (bilinear), or None. Below 64 pixels the
            features are a few pixels wide; do not compare with values at 256.
        weights: Path of the backbone's weights in torchvision's format; None is the cached, published file.
        sha256: SHA-256 of ``weights`` where they are not the published ones. A file that does not match is
            refused.

    Raises:
        ValueError: An unknown backbone, a resize or images too small for the network.
        ImportError: The extra ``metrics`` is not installed (when first used).
        FileRefusedError: The weights are absent or not the ones stated (when first used).
    """

    card = MetricCard(
        places=("weights",),
        words=("sha256",),
        order=2,
        titles={"lpips_alex": "LPIPS", "lpips_vgg": "LPIPS (VGG)"},
    )
    lower_is_better = True
    libraries = ("lpips", "torchvision")

    def __init__(
        self,
        backbone: Backbone = "alex",
        resize: int | None = None,
        weights: str | None = None,
        sha256: str | None = None,
    ) -> None:
        if backbone not in _BACKBONES:
            raise ValueError(f"lpips.backbone={backbone!r}: choose one of {sorted(_BACKBONES)}")
        if resize is not None and resize < _SMALLEST[backbone]:
            raise ValueError(f"lpips.resize={resize}: {backbone} needs at least {_SMALLEST[backbone]} pixels")
        if sha256 is not None and weights is None:
            raise ValueError(f"lpips.sha256={sha256!r} without lpips.weights: state the file it belongs to")
        self.backbone, self.resize = backbone, resize
        published = _BACKBONES[backbone]
        self.weights = published if weights is None else published.at(weights, sha256)
        changed = [] if resize is None else [f"r{resize}"]
        if self.weights.sha256 != published.sha256:
            changed.append(f"w{str(self.weights.sha256)[:8]}")
        self.name = "_".join(["lpips", backbone, *changed])

    def files(self) -> list[RemoteFile]:
        return [self.weights]

    def objection(self, image_shape: tuple[int, int, int], *, labelled: bool) -> str | None:
        if self.resize is not None or min(image_shape[1:]) >= _SMALLEST[self.backbone]:
            return None
        return (
            f"{self.name}: {self.backbone} needs at least {_SMALLEST[self.backbone]} pixels a side, got "
            f"{image_shape[1:]}; set lpips.resize, e.g. 64"
        )

    def __call__(self, batch: Scored) -> np.ndarray:
        return self.distance(as_rgb(batch.restored, self.device) / 255, as_rgb(batch.truth, self.device) / 255)

    def distance(self, restored: Tensor, truth: Tensor) -> np.ndarray:
        """LPIPS float64 (B,) of float images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: Values outside [0, 1] or NaN, with the range found; different or too small shapes.
        """
        for what, images in (("restored", restored), ("true", truth)):
            low, high = float(images.min()), float(images.max())
            if not (low >= 0 and high <= 1):
                raise ValueError(f"{self.name}: {what} images lie in [{low:g}, {high:g}]; expected [0, 1]")
        if restored.shape != truth.shape:
            raise ValueError(f"{self.name}: shapes {tuple(restored.shape)} and {tuple(truth.shape)} differ")
        if wrong := self.objection(tuple(truth.shape[1:]), labelled=True):  # type: ignore[arg-type]
            raise ValueError(wrong)
        network = _network(self.backbone, self.weights.verified(), self.device)
        pair = [images.float().contiguous() for images in (restored, truth)]
        values = per_image(partial(_distance, network, self.resize), *pair)
        return values.double().cpu().numpy()

    def loss(self, images: Tensor, wanted: Tensor) -> Tensor:
        """LPIPS (B,) of images (B, 1 or 3, H, W) around [-1, 1], differentiable in the first, to train by.

        Unlike ``distance`` it computes a batch at once and takes values outside the range as they are.

        Raises:
            FileRefusedError: The weights are absent or not the ones stated.
        """
        network = _network(self.backbone, self.weights.verified(), str(images.device))
        with torch.autocast(images.device.type, enabled=False):
            pair = [x.float().expand(-1, 3, -1, -1) for x in (images, wanted)]
            if self.resize is not None:
                pair = [resized(x, self.resize) for x in pair]
            distances: Tensor = network(*pair)
            return distances.reshape(len(images))


def _distance(network: nn.Module, resize: int | None, restored: Tensor, truth: Tensor) -> Tensor:
    if resize is not None:
        restored, truth = resized(restored, resize), resized(truth, resize)
    distances: Tensor = network(to_sym(restored), to_sym(truth))
    return distances.reshape(len(restored))


@cache
def _network(backbone: Backbone, weights: Path, device: str) -> nn.Module:
    """The package's network with backbone weights in torchvision's format, loaded once."""
    lpips = optional("lpips", extra="metrics", needed_by=f"lpips_{backbone}")
    folder = package_folder("lpips", extra="metrics", needed_by=f"lpips_{backbone}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package asks torchvision for weights by its old argument
        network = on_meta(
            lambda: lpips.LPIPS(net=backbone, version="0.1", pretrained=False, pnet_rand=True, verbose=False)
        )
    network.scaling_layer = lpips.lpips.ScalingLayer()  # constants, not weights
    linear = load_state(folder / "weights" / "v0.1" / f"{backbone}.pth")
    backbone_state = load_state(weights)
    state = dict(linear)
    for name in cast("nn.Module", network.net).state_dict():
        layer = re.sub(r"^slice\d+\.", "features.", name)
        if layer not in backbone_state:
            raise RuntimeError(f"{weights}: no {layer}; expected torchvision's {backbone} weights")
        state[f"net.{name}"] = backbone_state[layer]
    network.load_state_dict(state, strict=False, assign=True)
    return frozen(network, device)
