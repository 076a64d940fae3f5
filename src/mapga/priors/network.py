r"""A prior made of networks: a denoiser, a consistency function, or both, of one probability flow.

    D(x, sigma) = edm scalings around F_D,    C(x, sigma) = consistency scalings around F_C

(``mapga.priors.networks.preconditioning``; ``processes`` beside it has other conventions, for networks of diffusers).
The networks are frozen and in evaluation mode: a gradient with respect to x costs none with respect to the weights.

Sources: Karras et al., 2022, arXiv 2206.00364; Song et al., 2023, arXiv 2303.01469.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from mapga.card import PriorCard, carded
from mapga.files.fetch import sha256_of
from mapga.lazy import torch
from mapga.priors.base import Prior
from mapga.priors.networks.preconditioning import ROLES
from mapga.priors.networks.processes import Preconditioned, Process
from mapga.priors.networks.quick import quickened
from mapga.priors.networks.shipped import fingerprint, shipped_fingerprint, shipped_paths

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["NetworkPrior", "Precision"]

Precision = Literal["float32", "bfloat16"]


def _shipped_pin(a: Any) -> dict[str, str | None]:
    if a.fingerprint is not None:
        return {}
    try:
        return {"fingerprint": shipped_fingerprint(a.name)}
    except (OSError, ValueError):  # the prior will say what is wrong
        return {}


def _files_pin(a: Any) -> dict[str, str | None]:
    unstated = {role for role in ROLES if getattr(a, f"{role}_sha256") is None}
    paths = {role: Path(path).expanduser() for role, path in _roles(a.denoiser, a.consistency).items()}
    return {f"{role}_sha256": sha256_of(path) for role, path in paths.items() if role in unstated and path.is_file()}


class NetworkPrior(Prior):
    """A denoiser and a consistency network as one prior.

    Args:
        denoiser: F_D, called as F(x, time) or, if class-conditional, F(x, time, labels) with x (B, C, H, W),
            time and labels (B,); None if there is none.
        consistency: F_C, called alike; None if there is none.
        image_shape: (C, H, W).
        n_classes: Number of classes of class-conditional networks, else None.
        precision: ``bfloat16`` runs the networks under autocast, twice as fast where the hardware has it; the
            scalings around them stay in the dtype of x.
        fingerprint: What identifies the weights, for a run's identity.
        name: What messages call it.
        processes: By role, what a network was trained for, if not the scalings of its role.
        follow: Whether the networks compute in the dtype and on the device of the images handed in, or stay as
            they are.

    Raises:
        ValueError: No network at all, or an unknown precision.
    """

    card = PriorCard(
        words=("fingerprint", "name"), given=("denoiser", "consistency", "image_shape", "processes", "follow")
    )

    def __init__(
        self,
        denoiser: nn.Module | None,
        consistency: nn.Module | None,
        image_shape: tuple[int, int, int],
        *,
        n_classes: int | None = None,
        precision: Precision = "float32",
        fingerprint: str = "",
        name: str = "of networks",
        processes: Mapping[str, Process] | None = None,
        follow: bool = True,
    ) -> None:
        if denoiser is None and consistency is None:
            raise ValueError("a network prior needs a denoiser, a consistency network, or both; none is given")
        if precision not in ("float32", "bfloat16"):
            raise ValueError(f"prior.precision={precision!r}: choose float32 or bfloat16")
        self.name, self.image_shape, self.n_classes = name, image_shape, n_classes
        self.precision, self.fingerprint, self.follow = precision, fingerprint, follow
        self.has_denoiser, self.has_consistency = denoiser is not None, consistency is not None
        self._denoiser, self._consistency = _frozen(denoiser), _frozen(consistency)
        self.processes = {role: Preconditioned(kind) for role, kind in ROLES.items()} | dict(processes or {})
        pair = zip(ROLES, (denoiser, consistency), strict=True)
        of_networks = [self.processes[role] for role, network in pair if network is not None]
        self.sigma_min = max(process.sigma_min for process in of_networks)
        self.sigma_max = min(process.sigma_max for process in of_networks)
        self._labels: Tensor | None = None
        self._elsewhere: dict[tuple[Any, ...], nn.Module] = {}  # copies that follow images, made when they come

    @classmethod
    @carded(PriorCard(words=("name", "fingerprint"), pin=_shipped_pin))
    def shipped(cls, name: str = "mnist", precision: Precision = "float32", fingerprint: str | None = None) -> Self:
        """A pair whose weights come with the package.

        Args:
            name: Which pair; the model card beside the weights describes it.
            precision: As for the class.
            fingerprint: That the pair must have; None for any.

        Raises:
            ValueError: An unknown name, a file that is cut or altered, or another fingerprint.
            FileNotFoundError: A file is missing from the installation.
        """
        prior = cls.from_files(**{role: str(path) for role, path in shipped_paths(name).items()}, precision=precision)
        prior.name = name
        if fingerprint not in (None, prior.fingerprint):
            raise ValueError(
                f"prior.fingerprint={str(fingerprint)[:12]}: this version ships another pair {name}, "
                f"{prior.fingerprint[:12]}; set null for it, or install the version with that one"
            )
        return prior

    @classmethod
    @carded(PriorCard(pinned={role: f"{role}_sha256" for role in ROLES}, pin=_files_pin))
    def from_files(
        cls,
        denoiser: str | None = None,
        consistency: str | None = None,
        precision: Precision = "float32",
        denoiser_sha256: str | None = None,
        consistency_sha256: str | None = None,
    ) -> Self:
        """Networks that ``mapga train`` wrote.

        Args:
            denoiser: Weights file of kind ``edm``, or None.
            consistency: Weights file of kind ``consistency``, or None.
            precision: As for the class.
            denoiser_sha256: SHA-256 that the denoiser's file must have; None for any.
            consistency_sha256: The same of the consistency network's.

        Raises:
            FileNotFoundError: No such file.
            ValueError: A damaged file, one of the other kind or with another SHA-256, or two networks of different
                image shapes.
        """
        from mapga.priors.networks.unet import read_network

        given = {role: Path(path).expanduser() for role, path in _roles(denoiser, consistency).items()}
        for role, path in given.items():
            if not path.is_file():
                raise FileNotFoundError(f"prior.{role}={path}: no such file; give weights that `mapga train` wrote")
        digests = {role: sha256_of(path) for role, path in given.items()}
        for role, wanted in _roles(denoiser_sha256, consistency_sha256).items():
            if digests.get(role) != wanted:
                raise ValueError(f"prior.{role}_sha256={wanted[:12]}: {given.get(role)} is another file; mend either")
        networks = {role: read_network(path, ROLES[role]) for role, path in given.items()}
        shapes = {net.architecture.image_shape for net in networks.values()}
        if len(shapes) > 1:
            raise ValueError(
                f"prior.denoiser={denoiser} and prior.consistency={consistency} are made for images of "
                f"{' and '.join(map(str, shapes))}; give two networks of one image shape"
            )
        return cls(
            networks.get("denoiser"),
            networks.get("consistency"),
            shapes.pop() if shapes else (0, 0, 0),
            precision=precision,
            fingerprint=fingerprint(digests),
            name="trained",
        )

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x, sigma) for x (B, C, H, W).

        Raises:
            ValueError: There is no denoiser, or labels are missing or do not fit.
        """
        return self._answer("denoiser", self._denoiser, x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """C(x, sigma) for x (B, C, H, W); x itself at sigma_min.

        Raises:
            ValueError: There is no consistency network, or labels are missing or do not fit.
        """
        return self._answer("consistency", self._consistency, x, sigma)

    def conditioned(self, labels: Tensor | None) -> Self:
        """The prior given one class label per image (B,); itself where it takes none.

        Raises:
            ValueError: Labels outside 0..n_classes-1.
        """
        if self.n_classes is None or labels is None:
            return self
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.n_classes:
            raise ValueError(f"labels {labels.tolist()} must lie in 0..{self.n_classes - 1}")
        conditioned = copy.copy(self)
        conditioned._labels = labels.long()
        return conditioned

    def quick(self, *, half: bool) -> Self:
        """The same networks compiled and with channels last; with ``half`` under autocast to bfloat16."""
        quick = copy.copy(self)
        quick.precision = "bfloat16" if half else self.precision
        quick._elsewhere = {}
        networks = ((name, getattr(self, name)) for name in ("_denoiser", "_consistency"))
        vars(quick).update({name: quickened(network) for name, network in networks if network is not None})
        return quick

    def _answer(self, role: str, network: nn.Module | None, x: Tensor, sigma: float | Tensor) -> Tensor:
        if network is None:
            raise ValueError(f"this prior holds no {role} network; give prior.{role}, or choose another solver")
        if self.n_classes is not None and (self._labels is None or len(self._labels) != len(x)):
            got = "none" if self._labels is None else len(self._labels)
            raise ValueError(f"class-conditional networks need a label for each of {len(x)} images, got {got}")
        network = self._following(role, network, x)
        weights = next(network.parameters(), x)
        labels = () if self._labels is None else (self._labels.to(x.device),)
        half = self.precision == "bfloat16"

        def raw(scaled: Tensor, time: Tensor) -> Tensor:
            with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
                return network(scaled.to(weights.dtype), time.to(weights.dtype), *labels).to(x.dtype)

        return self.processes[role](raw, x, sigma)

    def _following(self, role: str, network: nn.Module, x: Tensor) -> nn.Module:
        """The network where x is, in its dtype."""
        weights = next(network.parameters(), x)
        if not self.follow or (weights.device, weights.dtype) == (x.device, x.dtype):
            return network
        place = (role, x.device, x.dtype)
        if place not in self._elsewhere:
            self._elsewhere[place] = copy.deepcopy(network).to(x.device, x.dtype)
        return self._elsewhere[place]


def _roles(denoiser: str | None, consistency: str | None) -> dict[str, str]:
    pairs = {"denoiser": denoiser, "consistency": consistency}
    return {role: path for role, path in pairs.items() if path is not None}


def _frozen(network: nn.Module | None) -> nn.Module | None:
    return None if network is None else network.requires_grad_(False).eval()
