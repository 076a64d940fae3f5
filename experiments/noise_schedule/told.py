r"""At which noise levels the image is decided, from the exact posterior, and where a solver's levels should then be.

Of x given y and z = x + sigma n let m(sigma) be the expected posterior variance, n pixels in all. The denoised image
E[x | y, z] is a martingale in sigma, so that from level s to level u it moves by

    E |E[x | y, z_u] - E[x | y, z_s]|^2 = n (m(s) - m(u)).

A sampler of p(x | y) that holds it still from each of its levels to the next ends at a distribution whose relative
entropy to the exact one is, by Girsanov's theorem, at most

    sum_i integral from s_{i+1} to s_i of n (m(s_i) - m(u)) u^{-3} du    nats.

* ``equal_error``: levels at which all terms of this sum are equal, which makes it the least; to first order, that is
  of a density in log sigma by the square root of n dm/dlog sigma / sigma^2;
* ``equal_variance``: levels between which the variance falls by equal parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import torch
from experiments.common import Row, drawn, exact_prior, interval, of, read
from torch import Tensor

from mapga.operators import LinearOperator
from mapga.posteriors.exact import Exact, exact_posterior
from mapga.priors import Prior
from mapga.problem import Problem
from mapga.schedules import SIGMA_MAX, SIGMA_MIN, Schedule, Spaced

GRID = torch.logspace(math.log10(SIGMA_MAX), math.log10(SIGMA_MIN), 61, dtype=torch.float64)
RULES = ("equal_error", "equal_variance")
_POINTS = 200  # of an integral from one level to the next
_LEAST = 1e-4  # of all levels, spread evenly over log sigma, so that none is left without


class Beside(LinearOperator):
    """What is measured, and the noisy image beside it, each divided by its noise: one measurement of noise 1."""

    def __init__(self, problem: Problem, sigma: float) -> None:
        assert isinstance(problem.operator, LinearOperator)
        self.operator, self.scales = problem.operator, (problem.sigma_y, sigma)
        self.image_shape = problem.operator.image_shape
        self.n_measurements = problem.operator.n_measurements + math.prod(self.image_shape)

    def apply(self, x: Tensor) -> Tensor:
        return self.together(self.operator.apply(x), x)

    def together(self, y: Tensor, z: Tensor) -> Tensor:
        return torch.cat([part.flatten(1) / scale for part, scale in zip((y, z), self.scales, strict=True)], 1)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Beside:
        return self  # a posterior asks for its matrix alone, on the CPU in float64

    def adjoint(self, y: Tensor) -> Tensor:
        return self.vjp(torch.zeros(len(y), *self.image_shape).to(y), y)

    def pinv(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def solve_gram(self, r: Tensor, c: float | Tensor) -> Tensor:
        raise NotImplementedError


class Told(Spaced):
    """Levels whose density in log sigma is what a posterior tells.

    Args:
        grid: Levels, falling.
        shares: Of the levels, how many lie between each two of the grid; they sum to one.
    """

    def __init__(self, grid: Tensor, shares: Tensor, steps: int) -> None:
        super().__init__(steps, float(grid[0]), float(grid[-1]))
        self.logs, self.passed = grid.log(), torch.nn.functional.pad(shares.cumsum(0), (1, 0))

    def _curve(self, u: Tensor) -> Tensor:
        after = torch.searchsorted(self.passed, u * self.passed[-1]).clamp(1, len(self.passed) - 1)
        low, high = self.passed[after - 1], self.passed[after]
        part = (u * self.passed[-1] - low) / (high - low)
        return (self.logs[after - 1] + part * (self.logs[after] - self.logs[after - 1])).exp()


def seen(asked: Row, indices: range, sigma_y: float) -> Iterator[tuple[float, Exact]]:
    """p(x | y, z) at every level of the grid, one z of each draw."""
    truth, problem = drawn(asked["prior"], asked["task"], sigma_y, indices)
    problem, prior = problem.to("cpu", torch.float64), exact_prior(asked["prior"])
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for sigma in GRID.tolist():
        yield sigma, beside(problem, prior, problem.y, truth + sigma * noise, sigma)


def beside(problem: Problem, prior: Prior, y: Tensor, z: Tensor, sigma: float) -> Exact:
    """p(x | y, z)."""
    operator = Beside(problem, sigma)
    return exact_posterior(Problem(operator.together(y, z), operator, 1.0, problem.numbers), prior)


def curve(asked: Row, *, indices: range, sigma_y: float) -> Iterator[Row]:
    """Posterior variance a pixel and entropy of the component of x given y and z, by level."""
    for sigma, posterior in seen(asked, indices, sigma_y):
        for measured, values in (("variance", posterior.mmse()), ("entropy", posterior.entropy())):
            yield {"sigma": f"{sigma:.6g}", "measure": measured, "draws": len(indices)} | interval(values, 9)


def bounds(asked: Row, *, indices: range, sigma_y: float, schedules: Mapping[str, Schedule]) -> Iterator[Row]:
    """The bound of every schedule, on other draws than those that told the levels."""
    levels, m = zip(*((sigma, posterior.mmse()) for sigma, posterior in seen(asked, indices, sigma_y)), strict=True)
    grid, by_draw = torch.tensor(levels, dtype=torch.float64), torch.stack(m, 1)
    pixels = math.prod(exact_prior(asked["prior"]).image_shape)
    for name, schedule in schedules.items():
        own = bound(schedule.levels(schedule.steps + 1), grid, by_draw, pixels)
        yield {"schedule": name, "steps": schedule.steps, "draws": len(indices)} | interval(own, 1)


def sample(problem: Problem, prior: Prior, schedule: Schedule) -> Tensor:
    """A sample of p(x | y) by the sampler that the bound is of, its denoised image the exact one."""
    draw = torch.Generator().manual_seed(0)
    levels = schedule.levels(schedule.steps + 1).tolist()
    mean = exact_posterior(problem, prior).mean()
    z = mean + levels[0] * torch.randn(mean.shape, generator=draw, dtype=mean.dtype)
    for s, u in pairwise(levels):
        x = beside(problem, prior, problem.y, z, s).mean()
        fresh = u * math.sqrt(1 - (u / s) ** 2) * torch.randn(mean.shape, generator=draw, dtype=mean.dtype)
        z = x + (u / s) ** 2 * (z - x) + fresh
    return beside(problem, prior, problem.y, z, levels[-1]).mean()


def variances(rows: list[Row], prior: str, task: str) -> tuple[Tensor, Tensor]:
    """Levels, falling, and m at each."""
    found = of(rows, prior=prior, task=task, measure="variance")
    grid, m = (torch.tensor([float(row[key]) for row in found], dtype=torch.float64) for key in ("sigma", "mean"))
    return grid, m.cummin(0).values  # rounding apart it falls


def told(rule: str, prior: str, task: str, table: Path, steps: int) -> Told:
    """A schedule, from the variances that a table has of draws that nothing reports."""
    grid, m = variances(read(table), prior, task)
    fallen = -m.diff()
    middle = (grid[1:] * grid[:-1]).sqrt()
    shares = (fallen * -grid.log().diff()).sqrt() / middle if rule == "equal_error" else fallen
    shares = (1 - _LEAST) * shares / shares.sum() + _LEAST / len(shares)
    return Told(grid, shares, steps)


def bound(levels: Tensor, grid: Tensor, m: Tensor, pixels: int) -> Tensor:
    """The sum above in nats, (B,), of variances (B, levels of the grid), straight in log sigma between those."""
    pairs = pairwise(levels.log().tolist())
    u = torch.stack([torch.linspace(s, end, _POINTS, dtype=torch.float64) for s, end in pairs])
    after = torch.searchsorted(-grid.log(), -u).clamp(1, len(grid) - 1)
    before = grid.log()[after - 1]
    part = ((u - before) / (grid.log()[after] - before)).clamp(0, 1)
    at = m[:, after - 1] + part * (m[:, after] - m[:, after - 1])
    rate = (at[..., :1] - at) * (-2 * u).exp()  # u^{-3} du = u^{-2} dlog u
    return -pixels * torch.trapezoid(rate, u.expand_as(rate)).sum(1)
