"""No prior: for solvers that use none, so that a dataset can be looked at without any network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import PriorCard
from mapga.priors.base import Prior

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NoPrior"]


class NoPrior(Prior):
    """Neither denoiser nor consistency function; solvers that need one refuse it.

    Args:
        image_shape: (C, H, W) of the dataset's images.
    """

    card = PriorCard(given=("image_shape",))
    has_denoiser = False
    has_consistency = False

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape = image_shape

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Refused.

        Raises:
            ValueError: Always.
        """
        raise ValueError("prior=none has no denoiser; choose a prior, or solver=pinv")

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Refused.

        Raises:
            ValueError: Always.
        """
        raise ValueError("prior=none has no consistency model; choose a prior, or solver=pinv")
