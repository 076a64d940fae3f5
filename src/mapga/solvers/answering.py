"""A prior of anyone's, held to what a prior is: it answers images with as many images of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.priors.base import Prior
from mapga.priors.networks.trial import answered
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
    """The same prior, refused where its first answer of a kind is none; later images may diverge, each by itself."""

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        self._held: set[str] = set()  # one for all copies

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._answer("denoise", x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._answer("consistency", x, sigma)

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._answer("score", x, sigma)

    def _answer(self, function: str, x: Tensor, sigma: float | Tensor) -> Tensor:
        answer: Tensor = getattr(self.prior, function)(x, sigma)
        if function not in self._held:
            answered(f"{function} of prior {_name(self.prior)}", x, answer)
            self._held.add(function)
        return answer


def _name(prior: Prior) -> str:
    return prior.name or type(prior).__name__
