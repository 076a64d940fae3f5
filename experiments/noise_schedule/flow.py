"""How straight the probability flow is under each schedule, and how exact a few Heun steps are along it.

Of a trajectory x(t), 0 <= t <= 1, from sigma = 80 to 0.002 at the levels sigma(t) of a schedule:

* bend = integral |dx/dt - (x(1) - x(0))|^2 dt / |x(1) - x(0)|^2, 0 where it is straight and evenly run;
* error: rms of the end of n Heun steps at the schedule's levels, from the end of 2,000 geometric ones;
* astray: the share of trajectories (of patches) that end on another component.

Of ``learned`` the steps go along the networks' flow, and bend and end are of the exact one that they learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import torch
from experiments.common import LEARNED, Row, exact_prior, interval, prior_of
from torch import Tensor

from mapga.priors import MixturePrior, PatchesPrior, Prior
from mapga.priors.flow import heun_step
from mapga.schedules import Geometric, Schedule

STEPS, FINE = (8, 16, 32), 2000
TRAJECTORIES = {"digits": 200, "patches": 8, LEARNED: 24}


def heun(prior: Prior, x: Tensor, levels: list[float]) -> Iterator[Tensor]:
    """The points of the flow at some levels, the first one included."""
    yield x
    for sigma, then in pairwise(levels):
        x = heun_step(prior.denoise, x, torch.tensor([sigma]).to(x), torch.tensor([then]).to(x))
        yield x


def begun(name: str, count: int) -> Tensor:
    """Where trajectories start."""
    noise = torch.randn(count, *exact_prior(name).image_shape, generator=torch.Generator().manual_seed(0))
    return 80.0 * noise.double()


@cache
def ended(name: str, count: int, fine: int) -> Tensor:
    """Where they end, in so many geometric steps."""
    *_, end = heun(exact_prior(name), begun(name, count), Geometric(fine).levels(fine + 1).tolist())
    return end


@torch.no_grad()
def flow(asked: Row, *, few: bool, made: Callable[[str, int], Schedule]) -> Iterator[Row]:
    name, fine = asked["prior"], FINE // 10 if few else FINE
    count = 4 if few else TRAJECTORIES[name]
    prior, start = exact_prior(name), begun(name, count)
    if asked["steps"] == 0:
        # at even t, each step of the schedule in eight geometric ones, so that the points are on the trajectory
        coarse = made(asked["schedule"], 250).levels(251)
        fines = torch.cat([_between(a, b, 8) for a, b in pairwise(coarse)] + [coarse[-1:]])
        points = torch.stack(list(heun(prior, start, fines.tolist()))[::8])
        chord = points[-1] - points[0]
        speed = points.diff(dim=0) * 250
        bend = (speed - chord).square().flatten(2).sum(2).mean(0) / chord.square().flatten(1).sum(1)
        yield {"measure": "bend"} | interval(bend)
        return
    levels = made(asked["schedule"], asked["steps"]).levels(asked["steps"] + 1).tolist()
    *_, found = heun(prior_of(name), start.float() if name == LEARNED else start, levels)
    end = ended(name, count, fine)
    moved = component(prior, found.double()) != component(prior, end)
    yield {"measure": "error"} | interval((found - end).square().flatten(1).mean(1).sqrt(), 4)
    yield {"measure": "astray"} | interval(moved.double())


def _between(a: Tensor, b: Tensor, parts: int) -> Tensor:
    return (a.log() + (b.log() - a.log()) * torch.arange(parts, dtype=a.dtype) / parts).exp()


def component(prior: MixturePrior | PatchesPrior, x: Tensor) -> Tensor:
    """The component that an image, or each of its patches, belongs to most."""
    if isinstance(prior, PatchesPrior):
        return prior.shares(x, prior.sigma_min).argmax(-1).flatten()
    return (x.flatten(1) @ prior.means.T - prior.half_norms).argmax(1)
