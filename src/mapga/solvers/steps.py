r"""Update steps that several algorithms share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mapga.lazy import torch
from mapga.operators.base import LinearOperator
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "bounded_ratio",
    "check_share",
    "ddim",
    "inner",
    "likelihood_residual",
    "linear_operator",
    "posterior_residual",
    "pseudo_inverse_guidance",
    "pullback",
    "renoise",
    "vjp",
]


_CAP = 8.0  # of a step's length, in those of Gaussian data


def linear_operator(problem: Problem) -> LinearOperator:
    """The problem's operator as a linear one.

    Raises:
        TypeError: It is not linear (``Solver.supports`` says so beforehand).
    """
    if not isinstance(problem.operator, LinearOperator):
        raise TypeError(f"{type(problem.operator).__name__} is not a linear operator")
    return problem.operator


def inner(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> of each image, (B, 1, 1, 1)."""
    return (a * b).flatten(1).sum(1).reshape(-1, 1, 1, 1)


def bounded_ratio(numerator: Tensor, denominator: Tensor, usual: float) -> Tensor:
    """A step's length, one an image: the ratio, at most 8 usual; usual where the denominator is not positive."""
    bounded = (numerator / denominator).clamp(max=_CAP * usual)  # NaN stays what it is
    return torch.where(denominator <= 0, usual, bounded)


def pullback(
    function: Callable[[Tensor], Tensor], x: Tensor, *, times: int = 1
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    r"""f(x), and the vector-Jacobian product v -> (df/dx)^T v, which may be asked for ``times`` times.

    The last of them frees the graph.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = function(x)
    left = iter(range(times - 1, -1, -1))

    def product(vector: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(value, x, vector, retain_graph=next(left) > 0)
        return found

    return value.detach(), product


def vjp(
    function: Callable[[Tensor], Tensor], x: Tensor, cotangent: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    r"""f(x) and the vector-Jacobian product (df/dx)^T v with v = cotangent(f(x)), in one forward and one backward."""
    value, product = pullback(function, x)
    return value, product(cotangent(value))


def check_share(noise_share: float) -> None:
    """Raise ValueError, naming it, unless it is a share of a level's noise."""
    if not 0 <= noise_share <= 1:
        raise ValueError(f"solver.noise_share={noise_share}: a share of a level's noise, from 0 to 1")


def renoise(image: Tensor, sigma: float, floor: float, noise: NoiseSource, step: int, share: float = 1.0) -> Tensor:
    """A draw of N(image, share^2 (sigma^2 - floor^2) I): an image of level ``floor`` taken to level ``sigma`` >= floor.

    At the floor it is the image, and no noise is drawn.
    """
    std = share * math.sqrt(max(sigma**2 - floor**2, 0.0))
    return image.add(noise.step(step), alpha=std) if std > 0 else image


def ddim(x0: Tensor, keep: float, direction: Tensor, fresh: float, n: Tensor) -> Tensor:
    """x0 + keep direction + fresh n, without a third image in memory."""
    return x0.add(direction, alpha=keep).add_(n, alpha=fresh)


def posterior_residual(problem: Problem, x: Tensor, variance: float) -> Tensor:
    r"""variance * A^T (variance A A^T + sigma_y^2 I)^{-1} (y - A x): the correction of x given y.

    It is the shift from x to the mean of x | y if x is the mean of N(x, variance I), and A^+ (y - A x) when
    sigma_y = 0, whatever the variance > 0. Evaluated as A^T (A A^T + sigma_y^2 / variance I)^{-1} (y - A x), so that
    nothing overflows for small variances.
    """
    operator = linear_operator(problem)
    residual = problem.y - operator.apply(x)
    if problem.sigma_y == 0:
        return operator.pinv(residual)
    return operator.adjoint(operator.solve_gram(residual, problem.sigma_y**2 / variance))


def likelihood_residual(problem: Problem, x: Tensor, variance: float) -> Tensor:
    r"""variance * grad_x log p(y | x) for p(y | x) = N(A(x), sigma_y^2 I + variance A'(x) A'(x)^T).

    Of a linear A it is ``posterior_residual``. Of another one A'(x) A'(x)^T counts as I, so that it is
    variance / (variance + sigma_y^2) A'(x)^T (y - A(x)), one vector-Jacobian product of A.
    """
    if isinstance(problem.operator, LinearOperator):
        return posterior_residual(problem, x, variance)
    residual = problem.y - problem.operator.apply(x)
    return variance / (variance + problem.sigma_y**2) * problem.operator.vjp(x, residual)


def pseudo_inverse_guidance(
    problem: Problem, prior: Prior, x: Tensor, sigma: float, r2: float
) -> tuple[Tensor, Tensor]:
    r"""D(x, sigma) and r^2 grad_x log p(y | x) under p(x_0 | x) = N(D(x, sigma), r^2 I).

    grad_x log p(y | x) = J^T A^T (r^2 A A^T + sigma_y^2 I)^{-1} (y - A D(x, sigma)), J = dD/dx.

    Source: PiGDM, Song et al., "Pseudoinverse-guided diffusion models for inverse problems", ICLR 2023.
    """
    return vjp(lambda z: prior.denoise(z, sigma), x, lambda x0: posterior_residual(problem, x0, r2))
