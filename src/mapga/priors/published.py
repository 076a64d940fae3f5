r"""Published networks as a prior: a denoiser, a consistency model, or both, of one dataset.

    D(x, sigma) = edm scalings around F_D,    C(x, sigma) = consistency scalings around F_C,

or, of ADM's denoisers, D(x, sigma) = x - sigma F_D(x / sqrt(1 + sigma^2), t(sigma)) (``mapga.priors.networks`` has the
formulas in ``preconditioning`` and ``processes``). What the prior can do is known from the manifest, so that
a solver may refuse it, and missing files be named, before any weights are read.

Sources: Song, Dhariwal, Chen, Sutskever, "Consistency models", 2023, arXiv 2303.01469; Dhariwal, Nichol, "Diffusion
models beat GANs on image synthesis", 2021, arXiv 2105.05233 (ADM); their released weights.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mapga.card import PriorCard
from mapga.errors import ConfigError
from mapga.files.need import Need
from mapga.lazy import torch
from mapga.priors.base import Prior
from mapga.priors.checkpoints.manifest import architectures
from mapga.priors.checkpoints.precision import NetworkPrecision, set_precision
from mapga.priors.checkpoints.sources import WeightsSource, sources_of
from mapga.priors.network import NetworkPrior
from mapga.priors.networks.labels import Labels, Which
from mapga.priors.networks.preconditioning import ROLES
from mapga.priors.networks.quick import quickened

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mapga.priors.checkpoints.network import PublishedNetwork

__all__ = ["PublishedPrior"]


def _pin(a: Any) -> dict[str, str | None]:
    return {f"{role}_sha256": source.sha256 or source.digest() for role, source in sources_of(vars(a)).items()}


def _files(a: Any) -> list[Need]:
    return [
        Need(f"prior.{role}", f"{source.entry.name} from {source.described()}", source.problem(), source.fetch)
        for role, source in sources_of(vars(a)).items()
    ]


class PublishedPrior(Prior):
    """Released networks, read when they are first needed.

    Args:
        architecture: ``imagenet64``, ``lsun256``, ``adm64``, ``adm256``, ``adm256_classes`` or ``ffhq256``.
        denoiser: Published name of an EDM network; None for none.
        consistency: Published name of a consistency model; None for none.
        denoiser_source: Where the denoiser's weights are: None for the publisher's address; else an http(s) address, a
            ``.pt`` or ``.safetensors`` file, a folder of diffusers, or a hub id.
        consistency_source: The same of the consistency model.
        denoiser_sha256: SHA-256 that the denoiser's file must have; None for any.
        consistency_sha256: The same of the consistency model.
        labels: Class given to a class-conditional network: ``truth``, the dataset's; ``random``, one per image, of its
            index and the seed; or one number for all. None for networks without classes.
        precision: float32; or bfloat16 or float16, in which convolutions and attention compute, while norms,
            embeddings and the scalings stay in float32.
        channels_last: Lay images out as (B, H, W, C) in memory, faster on GPUs of recent kinds.
        compile: Compile the networks with ``torch.compile``.
        checkpointing: Compute the activations of each block again in the backward pass instead of keeping them, for
            half the memory of a vector-Jacobian product at 1.35 times its time (Chen et al., 2016, arXiv 1604.06174;
            benchmarks/README.md).
        seed: Of random labels.
        dataset_classes: Number of classes of the dataset, None if it has no labels.

    Raises:
        ConfigError: An unknown name, or a network in the wrong role or of another architecture.
        ValueError: Labels that do not fit the networks or the dataset.
    """

    card = PriorCard(
        places=("denoiser_source", "consistency_source"),
        pin=_pin,
        speed_only=("channels_last", "compile", "checkpointing"),
        words=("architecture", "denoiser", "consistency", "denoiser_sha256", "consistency_sha256"),
        given=("seed", "dataset_classes"),
        files=_files,
    )

    def __init__(
        self,
        architecture: str,
        denoiser: str | None,
        consistency: str | None,
        denoiser_source: str | None = None,
        consistency_source: str | None = None,
        denoiser_sha256: str | None = None,
        consistency_sha256: str | None = None,
        labels: Which | None = None,
        precision: NetworkPrecision = "float32",
        *,
        channels_last: bool = False,
        compile: bool = False,
        checkpointing: bool = False,
        seed: int = 0,
        dataset_classes: int | None = None,
    ) -> None:
        node = {"architecture": architecture, "denoiser": denoiser, "consistency": consistency}
        node |= {"denoiser_source": denoiser_source, "consistency_source": consistency_source}
        node |= {"denoiser_sha256": denoiser_sha256, "consistency_sha256": consistency_sha256}
        self.sources = sources_of(node)
        self.has_denoiser, self.has_consistency = (role in self.sources for role in ROLES)
        self._processes = {role: source.entry.process for role, source in self.sources.items()}
        self.sigma_min = max(process.sigma_min for process in self._processes.values())
        self.sigma_max = min(process.sigma_max for process in self._processes.values())
        self.name, self._architecture, shape = architecture, architecture, architectures()[architecture]
        self.image_shape, self.n_classes = shape.image_shape, shape.classes
        self.precision, self.channels_last, self.compile = precision, channels_last, compile
        self.checkpointing = checkpointing
        self._labels = Labels(labels, self.n_classes, dataset_classes, architecture, seed)
        self._networks: dict[str, nn.Module] = {}
        self._inner: NetworkPrior | None = None

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x, sigma) for x (B, 3, H, W).

        Raises:
            ConfigError: Weights that cannot be read.
            ValueError: There is no denoiser, or labels are missing or do not fit.
        """
        return self._ready().denoise(x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """C(x, sigma) for x (B, 3, H, W); x itself at sigma_min.

        Raises:
            ConfigError: Weights that cannot be read.
            ValueError: There is no consistency model, or labels are missing or do not fit.
        """
        return self._ready().consistency(x, sigma)

    def labels_for(self, indices: Sequence[int], labels: Tensor | None) -> Tensor | None:
        """The labels the networks are given, int64 (B,): the truth, one number, or random ones."""
        return self._labels.of(indices, labels)

    def conditioned(self, labels: Tensor | None) -> Self:
        """The prior given one class label per image (B,); itself where it takes none.

        Raises:
            ValueError: Labels outside 0..n_classes-1.
        """
        conditioned = copy.copy(self)
        conditioned._inner = self._ready().conditioned(labels)
        return conditioned

    def loaded(self) -> Self:
        """The prior with its networks in memory, on the CPU.

        Raises:
            ConfigError: Weights that are missing, damaged, of another architecture or of another kind.
        """
        if self._networks:
            return self
        loaded = copy.copy(self)
        try:
            loaded._networks = {role: self._read(source) for role, source in self.sources.items()}
        except (ValueError, FileNotFoundError) as error:
            raise ConfigError(f"prior: {error}") from error
        return loaded

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """A copy whose networks are on ``device``; they keep their own precision, whatever the images' dtype."""
        moved = copy.copy(self.loaded())
        moved._networks = {role: _on(network, torch.device(device)) for role, network in moved._networks.items()}
        if self.compile:
            for network in moved._networks.values():
                network.compile()
        return moved._with_inner()

    def quick(self, *, half: bool) -> Self:
        """The same networks compiled and with channels last; with ``half`` in bfloat16 as ``precision`` says."""
        quick = copy.copy(self)
        quick._networks = {role: quickened(network) for role, network in self._networks.items()}
        if half and self.precision == "float32":
            for network in quick._networks.values():
                set_precision(network.body, "bfloat16")  # type: ignore[arg-type]
        return quick._with_inner()

    def _with_inner(self) -> Self:
        denoiser, consistency = (self._networks.get(role) for role in ROLES)
        self._inner = NetworkPrior(
            denoiser,
            consistency,
            self.image_shape,
            n_classes=self.n_classes,
            name=self.name,
            processes=self._processes,
            follow=False,
        )
        return self

    def _ready(self) -> NetworkPrior:
        if self._inner is None:
            self._inner = self.to("cpu", torch.float32)._inner
        assert self._inner is not None
        return self._inner

    def _read(self, source: WeightsSource) -> nn.Module:
        from mapga.priors.checkpoints.load import load_network

        if problem := source.problem():
            raise FileNotFoundError(problem)
        return self._laid_out(load_network(Path(source.path()), source.entry))

    def _laid_out(self, network: PublishedNetwork) -> nn.Module:
        """A network in the precision, the layout and with the memory that were asked for."""
        set_precision(network.body, self.precision)
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        if self.checkpointing:
            network.body.enable_gradient_checkpointing()  # type: ignore[operator]  # of diffusers
        return network


def _on(network: nn.Module, device: torch.device) -> nn.Module:
    there = next(network.parameters()).device
    return network if there.type == device.type else copy.deepcopy(network).to(device)
