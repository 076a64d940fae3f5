"""A network of diffusers as a prior: a ``UNet2DModel``, and the scheduler that says what it was trained for.

``mapga.priors.networks.processes`` has the formulas, by which its answer becomes D(x, sigma), or C(x, sigma).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mapga.card import PriorCard, carded
from mapga.errors import ConfigError
from mapga.files.need import Need
from mapga.lazy import torch
from mapga.priors.network import NetworkPrior, Precision
from mapga.priors.networks.labels import Labels, Which
from mapga.priors.networks.saved import Saved
from mapga.priors.networks.trial import tried
from mapga.priors.wrapped import WrappedPrior

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DiffusersPrior"]


def _pin(a: Any) -> dict[str, str | None]:
    return {"sha256": a.sha256 or Saved.of(a).digest()}


def _files(a: Any) -> Sequence[Need]:
    return [Saved.of(a).need()]


class DiffusersPrior(WrappedPrior):
    """A denoiser, or a consistency model, of diffusers.

    Args:
        unet: A ``UNet2DModel``; it is frozen, and put in evaluation mode.
        scheduler: What it was trained for: a scheduler of DDPM's kind (any that has ``alphas_cumprod``, with the
            prediction types epsilon, sample and v_prediction), ScoreSdeVe's, or a consistency model's.
        shape: (C, H, W) of an image; None for the network's own.
        precision: ``bfloat16`` runs the network under autocast.
        name: What messages call it.
        fingerprint: What identifies it, for a run's identity.

    Raises:
        ConfigError: Another kind of network or scheduler; or, asked once, no answer to images of that shape.
    """

    labels: Labels | None = None  # the true ones

    card = PriorCard(words=("name", "fingerprint"), given=("unet", "scheduler", "shape"))

    def __init__(
        self,
        unet: Any,
        scheduler: Any,
        shape: tuple[int, int, int] | None = None,
        *,
        precision: Precision = "float32",
        name: str = "of diffusers",
        fingerprint: str = "",
    ) -> None:
        from mapga.priors.networks.pipeline import process_of, raw_network

        network, own, classes = raw_network(unet)
        role, process = process_of(scheduler)
        networks: dict[str, Any] = {"denoiser": None, "consistency": None} | {role: network}
        prior = NetworkPrior(
            **networks,
            image_shape=shape or own,
            n_classes=classes,
            precision=precision,
            fingerprint=fingerprint,
            name=name,
            processes={role: process},
        )
        super().__init__(prior)
        black = next(network.parameters()).new_zeros(1, *prior.image_shape)
        asked = prior.conditioned(black.new_zeros(1).long())
        answer = asked.denoise if asked.has_denoiser else asked.consistency
        with torch.no_grad():
            tried(f"the {role} of prior {name}", lambda x: answer(x, prior.sigma_max), black)

    @classmethod
    def from_pipeline(cls, pipeline: Any) -> Self:
        """The network and the scheduler of a ``DDPMPipeline``, ``ScoreSdeVePipeline``, ``ConsistencyModelPipeline``.

        Raises:
            ConfigError: One without them, or as the class.
        """
        if not hasattr(pipeline, "unet") or not hasattr(pipeline, "scheduler"):
            raise ConfigError(f"{type(pipeline).__name__} has no unet and scheduler; give a pipeline of images alone")
        return cls(pipeline.unet, pipeline.scheduler)

    @classmethod
    @carded(
        PriorCard(
            pinned={"path": "sha256", "revision": "sha256"}, pin=_pin, given=("dataset_classes", "seed"), files=_files
        )
    )
    def from_saved(
        cls,
        path: str,
        sha256: str | None = None,
        revision: str | None = None,
        precision: Precision = "float32",
        labels: Which | None = None,
        dataset_classes: int | None = None,
        seed: int = 0,
    ) -> Self:
        """What ``save_pretrained`` of diffusers writes: a network with its scheduler beside it, or a pipeline.

        Args:
            path: The folder, or a hub id ``owner/name``.
            sha256: What ``Saved.digest`` must be; None for any.
            revision: Branch, tag or commit of a hub id; None for its newest.
            precision: As for the class.
            labels: Class given to a class-conditional network: ``truth``, the dataset's; ``random``, one per image, of
                its index and the seed; or one number for all. None for ``truth`` where the network has classes.
            dataset_classes: Number of classes of the dataset, None if it has no labels.
            seed: Of random labels.

        Raises:
            FileNotFoundError: Files that are missing.
            ConfigError: Other files than stated, or as the class.
            ValueError: Labels that do not fit the network or the dataset.
        """
        from mapga.priors.networks.pipeline import read_pipeline

        saved = Saved(path, revision)
        unet, scheduler = read_pipeline(saved)
        found = saved.digest() or ""
        if sha256 not in (None, found):
            raise ConfigError(f"prior.sha256={str(sha256)[:12]}: {path} holds other files, {found[:12]}; mend either")
        prior = cls(unet, scheduler, precision=precision, name=Path(path).name, fingerprint=found)
        which = "truth" if labels is None and prior.n_classes is not None else labels
        prior.labels = Labels(which, prior.n_classes, dataset_classes, prior.name, seed)
        return prior

    def labels_for(self, indices: Sequence[int], labels: Tensor | None) -> Tensor | None:
        """The labels the network is given, int64 (B,): the truth, one number, or random ones."""
        return labels if self.labels is None else self.labels.of(indices, labels)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x, sigma) for x (B, C, H, W)."""
        return self.prior.denoise(x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """C(x, sigma) for x (B, C, H, W)."""
        return self.prior.consistency(x, sigma)
