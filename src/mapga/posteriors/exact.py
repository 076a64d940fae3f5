"""Which priors and operators have an exact posterior, and what it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from mapga.lazy import torch
from mapga.operators.base import LinearOperator, Operator, SpectralOperator
from mapga.posteriors.coordinates import Coordinates, Dense, Isotropic, matrix_of
from mapga.posteriors.factors import mixing
from mapga.posteriors.gaussian import Gaussians
from mapga.posteriors.mixture import Posterior
from mapga.posteriors.patches import PatchesPosterior, PatchGaussians
from mapga.priors.base import Prior
from mapga.priors.gaussian import GaussianPrior
from mapga.priors.mixture import MixturePrior
from mapga.priors.patches import PatchesPrior
from mapga.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Exact", "condition", "exact_posterior", "given", "objection"]

Exact: TypeAlias = Posterior | PatchesPosterior

_LARGEST = 4096  # pixels of an image whose covariance is held as a matrix, 134 MB in float64


def objection(operator: Operator, prior: Prior) -> str | None:
    """Why there is no exact posterior, and what to choose, in one line; None if there is one."""
    if not isinstance(prior, GaussianPrior | MixturePrior | PatchesPrior):
        return f"{type(prior).__name__} has no exact posterior; choose prior=gaussian, prior=mixture or prior=patches"
    if not isinstance(operator, LinearOperator):
        return f"{type(operator).__name__} is not linear, so that no posterior is exact; choose a linear task"
    if isinstance(prior, PatchesPrior):
        return mixing(operator, prior)
    n = math.prod(operator.image_shape)
    if n > _LARGEST and not (isinstance(prior, MixturePrior) and isinstance(operator, SpectralOperator)):
        return (
            f"images of {n} values need a covariance of {n}^2, more than {_LARGEST}^2; "
            "choose prior=mixture with an operator that has an SVD, or smaller images"
        )
    return None


def exact_posterior(problem: Problem, prior: Prior) -> Exact:
    """p(x | y) of every measurement of a problem, in the dtype and on the device of y.

    Args:
        problem: y = A x + sigma_y n with a linear A.
        prior: Gaussian, mixture or patches.

    Raises:
        ValueError: Another prior or operator; the message is that of ``objection``.
    """
    return given(condition(prior, problem.operator, problem.sigma_y, problem.y), problem.y, prior.image_shape)


def given(known: Gaussians | PatchGaussians, y: Tensor, image_shape: tuple[int, int, int]) -> Exact:
    """p(x | y) of measurements (B, ...), of what ``condition`` has worked out."""
    return PatchesPosterior(known, y) if isinstance(known, PatchGaussians) else Posterior(known, y, image_shape)


def condition(prior: Prior, operator: Operator, sigma_y: float, like: Tensor) -> Gaussians | PatchGaussians:
    """What of ``exact_posterior`` is the same for every y: worth keeping where a covariance is decomposed for it.

    Args:
        prior: Gaussian, mixture or patches.
        operator: A, linear.
        sigma_y: Standard deviation of the noise, >= 0.
        like: A tensor of the dtype and on the device of the measurements to come.

    Raises:
        ValueError: Another prior or operator; the message is that of ``objection``.
    """
    if wrong := objection(operator, prior):
        raise ValueError(wrong)
    assert isinstance(operator, LinearOperator)
    if isinstance(prior, PatchesPrior):
        return PatchGaussians.of(prior, operator, sigma_y, like)
    if isinstance(prior, GaussianPrior):
        whole = Dense(prior.eigenvalues, prior.eigenvectors, *matrix_of(operator), like=like)
        return Gaussians(prior.mean.flatten()[None].to(like), torch.zeros(1).to(like), whole, sigma_y)
    assert isinstance(prior, MixturePrior)
    return Gaussians(prior.means.to(like), prior.log_weights.to(like), _round(prior.std, operator, like), sigma_y)


def _round(std: float, operator: LinearOperator, like: Tensor) -> Coordinates:
    """The coordinates of std^2 I."""
    if isinstance(operator, SpectralOperator):
        return Isotropic(std, operator.to(like.device, like.dtype))
    n = math.prod(operator.image_shape)
    values = torch.full((n,), std**2, dtype=torch.float64)
    return Dense(values, torch.eye(n, dtype=torch.float64), *matrix_of(operator), like=like)
