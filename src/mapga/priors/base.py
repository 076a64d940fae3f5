r"""What a prior is: a denoiser and a consistency function of one probability flow.

Variance-exploding convention: x_sigma = x_0 + sigma n, n ~ N(0, I), with the noise level sigma itself as time.

* denoiser D(x, sigma) = E[x_0 | x_sigma = x]
* score = (D(x, sigma) - x) / sigma^2 = grad_x log p_sigma(x)
* consistency function C(x, sigma): the end, at sigma_min, of the probability-flow trajectory
  dx/dsigma = (x - D(x, sigma)) / sigma that passes through x at sigma. C(x, sigma_min) = x.

Sources: Karras et al., "Elucidating the design space of diffusion-based generative models", 2022,
arXiv 2206.00364; Song et al., "Consistency models", 2023, arXiv 2303.01469.
"""

from __future__ import annotations

import copy
import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from mapga.errors import ConfigError
from mapga.lazy import torch
from mapga.schedules.base import SIGMA_MIN
from mapga.shown import Shown

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Prior", "check_contrast", "expand_sigma"]


def expand_sigma(sigma: float | Tensor, x: Tensor) -> Tensor:
    """One noise level, or one per image (B,), as a tensor that broadcasts against x (B, C, H, W)."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    return sigma.reshape(-1, *[1] * (x.ndim - 1))


def check_contrast(contrast: float) -> None:
    """Raise ValueError unless a prior's images can be multiplied by it."""
    if not 0 < contrast < math.inf:
        raise ValueError(f"prior.contrast={contrast}: the images are multiplied by it, choose 1 or less, above 0")


_Answer = Callable[[Any, "Tensor", "float | Tensor"], "Tensor"]
_ANSWERS = {"denoise", "consistency", "score"}


def _asked(answer: _Answer) -> _Answer:
    """A method of a prior that looks at the images first, and answers in their dtype."""

    @functools.wraps(answer)
    def asked(self: Prior, x: Tensor, sigma: float | Tensor) -> Tensor:
        self.check(x)
        given = answer(self, x, sigma)
        return given.to(x.dtype) if isinstance(given, torch.Tensor) else given  # a solver refuses what is none

    return asked


class Prior(Shown, ABC):
    """A distribution of images as solvers see it. All images are (B, C, H, W) in [-1, 1] units.

    Whatever a subclass answers is asked for through ``check``, and comes back in the dtype of the images handed in.

    Attributes:
        name: What messages call it; that of conf/ where it came by one.
        image_shape: (C, H, W).
        sigma_min: The level where trajectories end, > 0.
        sigma_max: The highest level the prior answers for (infinite for exact priors).
        has_consistency: Whether ``consistency`` is there (some checkpoints hold a denoiser only).
        has_denoiser: Whether ``denoise`` is there (some checkpoints hold a consistency model only).
        n_classes: Number of classes of a class-conditional prior, else None.
        least_std: The smallest standard deviation of its components in any direction, where that is known, else None.
    """

    name: str = ""
    image_shape: tuple[int, int, int]
    sigma_min: float = SIGMA_MIN
    sigma_max: float = float("inf")
    has_consistency: bool = True
    has_denoiser: bool = True
    n_classes: int | None = None
    least_std: float | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for answer in _ANSWERS & vars(cls).keys():
            setattr(cls, answer, _asked(vars(cls)[answer]))

    def check(self, x: Tensor) -> None:
        """Refuse what is no batch of images that this prior is for.

        Raises:
            ConfigError: Another size or number of channels, or whole numbers.
        """
        called = f"prior {self.name or type(self).__name__}"
        if tuple(x.shape[1:]) != tuple(self.image_shape):
            raise ConfigError(
                f"{called} is for {tuple(self.image_shape)}, got {tuple(x.shape[1:])}; give images "
                "(B, C, H, W) of that size, or the prior that belongs to them"
            )
        if not x.is_floating_point():
            raise ConfigError(f"{called} is for floating-point images in [-1, 1], got {x.dtype}")

    @abstractmethod
    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x, sigma) = E[x_0 | x_0 + sigma n = x]; sigma > 0 a number or one per image (B,)."""

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """C(x, sigma), the trajectory's end at sigma_min; sigma >= sigma_min, a number or (B,).

        Raises:
            ValueError: There is none, which ``has_consistency`` says to those who ask before.
        """
        raise ValueError(f"{type(self).__name__} has no consistency model; choose a solver that needs none")

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """grad_x log p_sigma(x) = (D(x, sigma) - x) / sigma^2."""
        return (self.denoise(x, sigma) - x) / expand_sigma(sigma, x).square()

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        """Exact, independent draws from p_0, one an index, (len(indices), C, H, W): functions of (seed, index) alone.

        Raises:
            ValueError: A prior whose density is not known.
        """
        raise ValueError(
            f"{type(self).__name__} has no exact samples; choose an exact prior, such as gaussian or mixture"
        )

    def labels_for(self, indices: Sequence[int], labels: Tensor | None) -> Tensor | None:
        """The labels, int64 (B,), to condition on for images with these indices and true labels: the true ones."""
        return labels

    def conditioned(self, labels: Tensor | None) -> Self:
        """The prior given one class label per image (B,); itself where it takes none."""
        return self

    def loaded(self) -> Self:
        """The prior with everything it needs in memory; itself unless it reads files.

        Raises:
            ConfigError: A file that is missing, damaged or of another kind.
        """
        return self

    def quick(self, *, half: bool) -> Self:
        """The prior as fast as its networks can be made, in ``half`` in bfloat16 too; itself where it has none."""
        return self

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """A copy whose tensors and networks live on ``device``, floating-point ones in ``dtype``."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(moved, name, value.to(device, dtype if value.is_floating_point() else None))
            elif isinstance(value, torch.nn.Module) and not _lies(value, torch.device(device), dtype):
                setattr(moved, name, copy.deepcopy(value).to(device, dtype))
        return moved


def _lies(network: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a network is where, and in what, it is wanted."""
    return all(one.device == device and one.dtype == dtype for one in network.parameters())
