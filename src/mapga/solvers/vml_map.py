r"""VML-MAP: at each level z is moved until what the prior knows of x_0 given z is what is known of it given y.

At level t the divergence KL( p(x_0 | z) || p(x_0 | y) ) is made small. Both are p(x_0) times a Gaussian, so that

    KL = E[ |y - A x_0|^2 / (2 sigma^2) - |z - x_0|^2 / (2 t^2) ] - log p_t(z) + const,   x_0 ~ p(x_0 | z),

and with D = E[x_0 | z], J = dD/dz, C = cov(x_0 | z) = t^2 J, grad log p_t(z) = (D - z) / t^2, exactly,

    -grad_z KL = J^T [ A^T (y - A D) / sigma^2 - (z - D) / t^2 ] - grad_z tr[C M] / 2,   M = A^T A / sigma^2 - I / t^2.

Here the prior costs no pass, where MAP-GA's prior term costs one. As t -> 0 the answer is the MAP estimate. The trace
is left out, or estimated by Hutchinson: tr[J M] = E[<J^T v, M v>] with v of random signs, for each step anew.

A step is rate / (j (1 / sigma^2 + 1 / s^2)) times -grad KL. Of Gaussian data of standard deviation s J = j I, with
j = s^2 / (s^2 + t^2), and Newton's step has j^2 there, if A = I; along what images differ in J is larger than j.
After the steps of a level, z ~ N(D(z, t), t'^2 I).

**Differs from the paper:** the length of a step, the levels and the number of steps are ours, as the paper's are not
public; sigma^2 = sigma_y^2 + sigma_eps^2, as in MAP-GA, so that noiseless measurements are served too.

Source: Gutha, Vinuesa, Azizpour, 2025, arXiv 2512.10524.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from mapga.card import Needs, SolverCard
from mapga.lazy import torch
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import check_share, linear_operator, pullback, renoise

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VMLMAP", "trace_gradient"]

_SIGMA_DATA = 0.5  # s, of images in [-1, 1]


class VMLMAP(Solver):
    r"""For t = tau_n, ..., tau_1: ``num_iter`` steps against grad_z KL; then z ~ N(D(z, t), t'^2 - tau_0^2).

    A step is a forward pass and a vector-Jacobian product; with the trace it is another forward pass, a product and the
    derivative of that. A level has one forward pass more.

    Args:
        schedule: tau_n > ... > tau_0; its ``steps`` is n.
        num_iter: Steps at each level, >= 1.
        rate: > 0, of the whole step; below 1 where A's largest singular value is more than 1, and for networks.
        trace: ``"none"``: without the trace term; ``"hutchinson"``: estimated by one random sign a pixel.
        noise_share: In [0, 1], of the noise of a level, which D is told all the same.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: steps * (a.num_iter * (2 if a.trace == "none" else 5) + 1),
        needs=lambda a, steps: Needs(denoiser=True, vjp=True, levels=steps + 1),
    )
    starts_from_noise = True

    def __init__(
        self,
        schedule: Schedule,
        num_iter: int = 1,
        *,
        rate: float = 0.3,
        trace: Literal["none", "hutchinson"] = "none",
        noise_share: float = 1.0,
    ) -> None:
        super().__init__(schedule)
        if num_iter < 1:
            raise ValueError(f"solver.num_iter={num_iter}: at least 1 step a level")
        if not 0 < rate < math.inf:
            raise ValueError(f"solver.rate={rate}: positive and finite")
        if trace not in ("none", "hutchinson"):
            raise ValueError(f"solver.trace={trace!r}: choose 'none' or 'hutchinson'")
        check_share(noise_share)
        self.num_iter, self.rate, self.trace, self.noise_share = num_iter, rate, trace, noise_share

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(self.schedule.steps + 1).tolist()
        variance = problem.sigma_y**2 + prior.sigma_min**2
        z = noise.start(levels[0])
        for i, (t, t_next) in enumerate(pairwise(levels)):
            gain = _SIGMA_DATA**2 / (_SIGMA_DATA**2 + t**2)
            length = self.rate / (gain * (1 / variance + 1 / _SIGMA_DATA**2))
            for k in range(self.num_iter):
                draw = self.schedule.steps + i * self.num_iter + k  # after those of the levels
                probes = [noise.step(draw).sign()] if self.trace == "hutchinson" else []
                z = z + length * self.descent(problem, prior, z, t, probes)
            image = prior.denoise(z, t)
            z = renoise(image, t_next, levels[-1], noise, i, self.noise_share)
            yield State(i + 1, t_next, z, image)

    def descent(self, problem: Problem, prior: Prior, z: Tensor, t: float, probes: Sequence[Tensor]) -> Tensor:
        """-grad_z KL, with the mean of what probes say of the trace; without any, without the trace term."""
        operator, variance = linear_operator(problem), problem.sigma_y**2 + prior.sigma_min**2

        def weighed(v: Tensor) -> Tensor:
            return operator.adjoint(operator.apply(v)) / variance - v / t**2

        x, transposed = pullback(lambda latent: prior.denoise(latent, t), z)
        found = transposed(operator.adjoint(problem.y - operator.apply(x)) / variance - (z - x) / t**2)
        for v in probes:
            found = found - t**2 / 2 / len(probes) * trace_gradient(lambda w: prior.denoise(w, t), z, v, weighed(v))
        return found


def trace_gradient(function: Callable[[Tensor], Tensor], z: Tensor, v: Tensor, weighed: Tensor) -> Tensor:
    """grad_z <J^T v, M v>, J = df/dz: of tr[J M] where v has random signs, or summed over the columns of I."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        (product,) = torch.autograd.grad(function(z), z, v, create_graph=True)
        if not product.requires_grad:  # f is linear, and its derivative constant
            return torch.zeros_like(z)
        (found,) = torch.autograd.grad((product * weighed).sum(), z, materialize_grads=True)
    return found.detach()
