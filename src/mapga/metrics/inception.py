r"""Frechet and kernel distances in Inception features: which network, which resizing, stated by name.

* ``fid_clean``: the 2015 Inception network as TorchScript, images resized to 299 by Pillow's antialiased
  bicubic filter in floating point, (x - 128) / 128. Source: Parmar, Zhang, Zhu, "On aliased resizing and
  surprising subtleties in GAN evaluation", 2022, arXiv 2104.11222.
* ``fid_legacy``: the same network with TensorFlow's own bilinear resizing inside, clean-fid's
  ``legacy_tensorflow``: comparable with the statistics of OpenAI and EDM.
* ``fid_tm``: torchmetrics' features (torch-fidelity's port, antialiased bilinear resizing): a cross-check.
* ``kid``: kernel distance in the features of ``fid_clean``.

Values of different flavours are different metrics.
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import RemoteFile
from mapga.lazy import torch
from mapga.metrics.base import SetMetric
from mapga.metrics.distribution import FrechetDistance, KernelDistance
from mapga.metrics.extractors.networks import as_rgb, frozen, load_state, optional, per_image
from mapga.metrics.scored import check_images

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["FID", "INCEPTION", "INCEPTION_TM", "KID", "Flavour", "InceptionFeatures"]

Flavour = Literal["clean", "legacy", "tm"]

INCEPTION = RemoteFile(
    "inception",
    "inception-2015-12-05.pt",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    size=95_607_719,
    command="mapga prefetch metrics=paper",
)
INCEPTION_TM = RemoteFile(
    "inception_tm",
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95_628_359,
    command="mapga prefetch metrics=crosscheck",
)
_LIBRARIES: dict[Flavour, tuple[str, ...]] = {
    "clean": ("cleanfid",),
    "legacy": (),
    "tm": ("torchmetrics", "torch_fidelity"),
}


class InceptionFeatures:
    """2048 Inception features per image, by one flavour's network and resizing.

    Args:
        flavour: ``"clean"``, ``"legacy"`` or ``"tm"``; see the module.
        weights: Path of the network: TorchScript with ``layers`` for clean and legacy, a state dict for
            tm; None is the cached, published file.
        sha256: SHA-256 of ``weights`` where they are not the published ones.

    Raises:
        ValueError: An unknown flavour, or a hash without its file.
    """

    def __init__(self, flavour: Flavour, weights: str | None = None, sha256: str | None = None) -> None:
        if flavour not in _LIBRARIES:
            raise ValueError(f"fid.flavour={flavour!r}: choose one of {sorted(_LIBRARIES)}")
        if sha256 is not None and weights is None:
            raise ValueError(f"fid.sha256={sha256!r} without fid.weights: state the file it belongs to")
        published = INCEPTION_TM if flavour == "tm" else INCEPTION
        self.flavour = flavour
        self.weights = published if weights is None else published.at(weights, sha256)
        changed = self.weights.sha256 != published.sha256
        self.suffix = f"_w{str(self.weights.sha256)[:8]}" if changed else ""
        self.libraries = _LIBRARIES[flavour]

    def __call__(self, images: np.ndarray, device: str = "cpu") -> np.ndarray:
        """uint8 (B, H, W, C) to float32 (B, 2048), computed on ``device``.

        Raises:
            TypeError, ValueError: Images of another dtype or shape.
            ImportError: The extra ``metrics`` is not installed.
            FileRefusedError: The network is absent or not the one stated.
        """
        check_images(images, what=f"fid_{self.flavour}")
        path = self.weights.verified()
        if self.flavour == "tm":
            pixels = as_rgb(images, device).to(torch.uint8)
            features = per_image(_torchmetrics_network(path, device), pixels)
        elif self.flavour == "legacy":
            script = _script(path, device)
            features = per_image(lambda x: script(x, return_features=True), as_rgb(images, device))
        else:
            layers = cast("nn.Module", _script(path, device).layers)
            features = per_image(lambda x: layers((x - 128) / 128), _clean(images).to(device))
        return features.reshape(len(images), -1).float().cpu().numpy()


class _OnInception(SetMetric):
    """A distance of sets in Inception features; its subclass makes the extractor."""

    extractor: InceptionFeatures

    def features(self, images: np.ndarray) -> np.ndarray:
        return self.extractor(images, self.device)

    def extractor_hash(self) -> str:
        return str(self.extractor.weights.sha256)

    def files(self) -> list[RemoteFile]:
        return [self.extractor.weights, *super().files()]


class FID(_OnInception, FrechetDistance):
    """Frechet distance in Inception features: ``fid_clean``, ``fid_legacy`` or ``fid_tm``.

    Args:
        flavour: Network and resizing; see the module.
        reference: ``"crossed"``, ``"training"`` or a statistics file of the same flavour.
        weights: Path of the network, or None for the cached, published file.
        sha256: SHA-256 of ``weights`` where they are not the published ones; its first digits join the name.

    Raises:
        ValueError: An unknown flavour or reference.
    """

    card = MetricCard(
        places=("weights",),
        words=("reference", "sha256"),
        digits=2,
        titles={"fid_clean": "FID (clean)", "fid_legacy": "FID (legacy)", "fid_tm": "FID (torchmetrics)"},
    )

    def __init__(
        self,
        flavour: Flavour = "clean",
        reference: str = "crossed",
        weights: str | None = None,
        sha256: str | None = None,
    ) -> None:
        self.extractor = InceptionFeatures(flavour, weights, sha256)
        self.libraries = self.extractor.libraries
        self.name = f"fid_{flavour}{self.extractor.suffix}"
        self.flavour = f"inception_{flavour}{self.extractor.suffix}"
        super().__init__(reference)


class KID(_OnInception, KernelDistance):
    """Kernel distance in the features of ``fid_clean``.

    Args:
        reference: ``"crossed"`` or ``"training"``.
        subset: Largest number of images in one kernel matrix; part of the name where it is not 1000.
        subsets: Number of random subsets, where there are more images.
        seed: Seed of the subsets.
        weights: Path of the network, or None for the cached, published file.
        sha256: SHA-256 of ``weights`` where they are not the published ones; its first digits join the name.

    Raises:
        ValueError: What ``KernelDistance`` refuses.
    """

    card = MetricCard(places=("weights",), words=("reference", "sha256"), digits=4, titles={"kid": "KID"})

    def __init__(
        self,
        reference: str = "crossed",
        subset: int = 1000,
        subsets: int = 100,
        seed: int = 0,
        weights: str | None = None,
        sha256: str | None = None,
    ) -> None:
        self.extractor = InceptionFeatures("clean", weights, sha256)
        self.libraries = self.extractor.libraries
        self.name = "kid" + ("" if subset == 1000 else f"_m{subset}") + self.extractor.suffix
        self.flavour = f"inception_clean{self.extractor.suffix}"
        super().__init__(reference, subset, subsets, seed)


def _clean(images: np.ndarray) -> Tensor:
    """(B, 3, 299, 299) in 0..255 by clean-fid's own resizing."""
    resize = optional("cleanfid.resize", extra="metrics", needed_by="fid_clean").build_resizer("clean")
    colour = np.broadcast_to(images, (*images.shape[:3], 3))
    stack = np.stack([resize(np.ascontiguousarray(image)) for image in colour])
    return torch.from_numpy(stack).permute(0, 3, 1, 2)


@cache
def _script(path: Path, device: str) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the published file is TorchScript, deprecated or not
        script: nn.Module = torch.jit.load(str(path), map_location=device)
    return script.eval()


@cache
def _torchmetrics_network(path: Path, device: str) -> nn.Module:
    optional("torch_fidelity", extra="metrics", needed_by="fid_tm")
    fid = optional("torchmetrics.image.fid", extra="metrics", needed_by="fid_tm")
    # torch-fidelity unpickles whatever file it is given, so it is given tensors that were read safely
    buffer = io.BytesIO()
    torch.save(load_state(path), buffer)
    buffer.seek(0)
    network: nn.Module = fid.NoTrainInceptionV3("inception-v3-compat", ["2048"], buffer)
    return frozen(network, device)
