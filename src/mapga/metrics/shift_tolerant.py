r"""Shift-tolerant LPIPS: an AlexNet whose every subsampling is blurred first, with its own linear weights.

The same sum over five layers as LPIPS, but an image moved by a pixel keeps its distance. The weights
travel in the PyPI package ``stlpips-pytorch`` (extra ``offline``); the network is written here, because
importing that package needs libraries for training. Named ``stlpips_alex``: values do not compare with
``lpips_alex``.

Source: Ghildyal, Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022, arXiv 2207.13686; blurred
subsampling: Zhang, "Making convolutional networks shift-invariant again", 2019, arXiv 1904.11486.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import RemoteFile
from mapga.metrics.base import ImageMetric
from mapga.metrics.extractors.networks import as_rgb, package_folder, per_image, state_on
from mapga.metrics.scored import Scored
from mapga.pixels import to_sym

__all__ = ["ShiftTolerantLPIPS"]

_PACKAGE = "stlpips_pytorch"
_SHA256 = "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"
_SMALLEST = 21  # three halvings, each padded by reflection, need that much


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

    card = MetricCard(titles={"stlpips_alex": "ST-LPIPS"})
    lower_is_better = True
    libraries = (_PACKAGE,)
    extra = "offline"

    def __init__(self, resize: int | None = None) -> None:
        if resize is not None and resize < _SMALLEST:
            raise ValueError(f"stlpips.resize={resize}: the network needs at least {_SMALLEST} pixels")
        self.resize = resize
        self.name = "stlpips_alex" if resize is None else f"stlpips_alex_r{resize}"

    def objection(self, image_shape: tuple[int, int, int], *, labelled: bool) -> str | None:
        if self.resize is not None or min(image_shape[1:]) >= _SMALLEST:
            return None
        return (
            f"{self.name}: the network needs at least {_SMALLEST} pixels a side, got {image_shape[1:]}; "
            "set stlpips.resize, e.g. 64"
        )

    def __call__(self, batch: Scored) -> np.ndarray:
        from mapga.metrics.extractors.shift_tolerant_alexnet import distance

        self.check(batch.truth)
        weights = state_on(_weights_file().verified(), self.device)
        images = [to_sym(as_rgb(stored, self.device) / 255) for stored in (batch.restored, batch.truth)]
        return per_image(partial(distance, weights, self.resize), *images).double().cpu().numpy()

    def weight_hashes(self) -> dict[str, str]:
        return {"stlpips": _SHA256}

    def files(self) -> list[RemoteFile]:
        return [] if self.uninstalled() else [_weights_file()]


def _weights_file() -> RemoteFile:
    folder = package_folder(_PACKAGE, extra="offline", needed_by="stlpips_alex")
    path = folder / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
    return RemoteFile("stlpips", path.name, "pip install 'mapga[offline]'", _SHA256, local=path)
