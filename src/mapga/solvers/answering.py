"""A prior of anyone's, held to what a prior is: it answers images with as many images of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.lazy import torch
from mapga.priors.base import Prior
from mapga.priors.wrapped import WrappedPrior

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AnsweringPrior", "answering"]


def answering(prior: Prior, image_shape: tuple[int, int, int]) -> Prior:
    """The prior, its answers checked, for images (C, H, W).

    Raises:
        ValueError: No prior at all, or one for other images.
    """
    if not isinstance(prior, Prior):
        raise ValueError(
            f"{type(prior).__name__} is no mapga.priors.Prior; derive from it, and write denoise(x, sigma)"
        )
    if tuple(prior.image_shape) != tuple(image_shape):
        raise ValueError(f"prior {_name(prior)} is for {tuple(prior.image_shape)}, got {tuple(image_shape)}")
    return AnsweringPrior(prior)


class AnsweringPrior(WrappedPrior):
    """The same prior, refused where an answer is not one.

    The dtype of an answer is that of the images. Whether answers are numbers is looked at once, of the first one: later
    images may diverge, and the others of their batch go on.
    """

    _seen = False

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._checked("denoise", x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._checked("consistency", x, sigma)

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._checked("score", x, sigma)

    def _checked(self, function: str, x: Tensor, sigma: float | Tensor) -> Tensor:
        answer = getattr(self.prior, function)(x, sigma)
        asked = f"prior {_name(self.prior)}: {function} of images {tuple(x.shape)} at sigma={sigma}"
        if not isinstance(answer, torch.Tensor):
            raise ValueError(f"{asked} is a {type(answer).__name__}, and should be a tensor of that shape")
        if answer.shape != x.shape:
            raise ValueError(f"{asked} has the shape {tuple(answer.shape)}, and should have theirs")
        if not self._seen:
            self._seen = True
            if bool((_finite(x) & ~_finite(answer)).any()):
                raise ValueError(f"{asked} is not a number; mend the prior, or give it a range that it knows")
        return answer.to(x.dtype)


def _name(prior: Prior) -> str:
    return prior.name or type(prior).__name__


def _finite(x: Tensor) -> Tensor:
    """Of each image whether all of it is a number, (B,)."""
    return x.detach().flatten(1).isfinite().all(1)
