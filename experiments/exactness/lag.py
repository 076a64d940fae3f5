"""Why MAP-GA through C lags behind MAP-GA through D: at which level it commits to a component, and what it knows then.

    python experiments/exactness/lag.py [--device cuda]                              # lag.csv, beside this file
    python experiments/exactness/lag.py --skip 96 --images 32 --fine 16 --maps D C8 "C8~0.3" "D>1" \
        --growths 0 10 30 100 300 --to experiments/exactness/lag_others.csv          # other truths, larger steps
    python experiments/exactness/lag.py --skip 128 --images 32 --fine 16 --maps D C8 "D>0.3" --growths 0 1 10 \
        --iterations 1 10 50 --to experiments/exactness/lag_iterations.csv           # more gradient steps at a level
    python experiments/exactness/lag.py --prior overlapping --images 32 --fine 32 --maps D C32 "learned D" "learned C" \
        --growths 0 1 10 30 100 300 --to experiments/exactness/lag_learned.csv       # beside networks of the same prior

The prior is exact, so that nobody's training is to blame: 400 training digits, a Gaussian of standard deviation 0.1
around each, truths drawn from it, nothing rounded. MAP-GA without its prior term, 20 Karras levels from 80 to 0.002, no
noise in y:

With ``--prior overlapping`` it is that prior: 64 pale digits, a Gaussian of 0.2, of which networks are shipped.

* ``map``: what stands for the image in the ascent. D; C in so many Heun steps (C8, C16, C64), or Euler steps, which
  lead from D (one) to C (E2, E4, E16); C8 with an error of 0.3 times the spread of x given z if there were one
  component (``C8~0.3``); D above a level and C8 below it (``D>1``).
* ``growth``: of lambda with the noise level, 0 is the paper's.
* ``iterations``: gradient steps at a level.
* ``commit``: median level from which on z lies in the basin, of the probability flow, in which it ends.
* ``residual``: |y - A x| of the estimate at that level over what it is at the highest, median.
* ``gain``: |J^T r| / |r| there, the part of the residual that the gradient sees, median.
* ``right``, ``mass``: share of images that end in the component they were drawn from, mean posterior mass of the last.
* ``rmse``, ``error_95``: of the answer, with half its 95 % interval over images.
"""

from __future__ import annotations

import argparse
import copy
import csv
from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise, product
from pathlib import Path

import torch
from torch import Tensor

from mapga.datasets import MNIST
from mapga.operators import BlockMean, CentralBox, HalfMask
from mapga.pixels import from_uint8
from mapga.posteriors import exact_posterior
from mapga.priors import MixturePrior, NetworkPrior, Prior
from mapga.problem import Problem, measure
from mapga.rng import NoiseSource, standard_normal
from mapga.schedules import Karras
from mapga.solvers import MAPGA
from mapga.solvers.steps import posterior_residual, vjp

SHAPE, LEVELS = (1, 32, 32), 20
PRIORS = {
    "digits": partial(MixturePrior.from_images, std=0.1, components=400),
    "overlapping": partial(MixturePrior.from_images, std=0.2, components=64, contrast=0.1),
}
TASKS = {"box50": CentralBox(SHAPE, 0.5), "half": HalfMask(SHAPE), "supres4x": BlockMean(SHAPE, 4)}
LEARNED = {"learned D": "denoise", "learned C": "consistency"}
MAPS = ("D", "E2", "E4", "E16", "C8", "C16", "C64")
COLUMNS = ("task", "map", "growth", "iterations", "commit", "residual", "gain", "right", "mass", "rmse", "error_95")
GROWTHS = (0.0, 1.0, 3.0, 10.0)


class Through(MAPGA):
    """MAP-GA without its prior term, through what a name says."""

    def __init__(self, name: str, growth: float, iterations: int) -> None:
        super().__init__(Karras(steps=LEVELS), num_iter=iterations, use_prior=False, learning_rate_growth=growth)
        self.name = name

    def image(self, prior: Prior, z: Tensor, t: float) -> Tensor:
        if self.name in LEARNED:
            return getattr(learned(), LEARNED[self.name])(z, t)
        assert isinstance(prior, MixturePrior)
        name, _, number = self.name.partition(">")
        if name == "D" and (not number or t > float(number)):
            return prior.denoise(z, t)
        kind, _, error = ("C8" if number else self.name).partition("~")
        if kind.startswith("E"):
            return euler(prior, z, t, int(kind[1:]))
        x = in_steps(prior, int(kind[1:])).consistency(z, t)
        if not error:
            return x
        wrong = standard_normal(1, "error", range(len(z)), z.shape[1:], round(1000 * t)).to(z)
        return x + float(error) * t * prior.std / (t**2 + prior.std**2) ** 0.5 * wrong


@cache
def learned() -> NetworkPrior:
    """Networks of ``prior=overlapping``."""
    return NetworkPrior.shipped("overlapping")


def in_steps(prior: MixturePrior, steps: int) -> MixturePrior:
    """The prior with a consistency function of so many Heun steps."""
    other = copy.copy(prior)
    other.ode_steps = steps
    return other


def euler(prior: Prior, x: Tensor, t: float, steps: int) -> Tensor:
    """The flow's end by Euler's method on the rho = 7 grid; one step is D but for a ten-thousandth."""
    grid = torch.linspace(t ** (1 / 7), prior.sigma_min ** (1 / 7), steps + 1, dtype=torch.float64) ** 7
    for now, then in pairwise(grid.tolist()):
        x = x + (then - now) * (x - prior.denoise(x, now)) / now
    return x


def looked_at(problem: Problem, prior: MixturePrior, solver: Through, device: str, fine: int) -> dict[str, Tensor]:
    """Of every level and image the basin, residual and gain; the levels, the answers."""
    levels = solver.schedule.levels(LEVELS + 1).tolist()
    seen: dict[str, list[Tensor]] = {"component": [], "residual": [], "gain": []}
    noise = NoiseSource(0, problem.numbers, SHAPE, device=device, dtype=torch.float32)
    with torch.no_grad():
        z = noise.start(levels[0])
        for step, state in enumerate(solver.iterate(problem, prior, noise)):
            shift = partial(posterior_residual, problem, variance=prior.sigma_min**2)
            x, pulled = vjp(partial(solver.image, prior, t=levels[step]), z, shift)
            lengths = shift(x).flatten(1).norm(dim=1)
            end = in_steps(prior, fine).consistency(state.x, levels[step + 1]).flatten(1)
            seen["component"].append((end @ prior.means.T - prior.half_norms).argmax(1))
            off = problem.y - problem.operator.apply(state.estimate)
            seen["residual"].append(off.flatten(1).norm(dim=1) / problem.operator.n_measurements**0.5)
            seen["gain"].append(pulled.flatten(1).norm(dim=1) / lengths)
            z = state.x
    return {name: torch.stack(rows).cpu() for name, rows in seen.items()} | {
        "x": z,
        "levels": torch.tensor(levels[:-1]),
    }


def lines(
    exact: MixturePrior,
    indices: range,
    tasks: list[str],
    maps: list[str],
    steps: list[tuple[float, int]],
    device: str,
    fine: int,
) -> Iterator[list[object]]:
    shares = torch.rand(indices.stop, generator=torch.manual_seed(0))[indices.start :]
    drawn = (shares * len(exact.means)).long()
    truth = exact.means[drawn].reshape(-1, *SHAPE) + exact.std * standard_normal(0, "truth", indices, SHAPE)
    prior = exact.to(device, torch.float32)
    for task in tasks:
        operator = TASKS[task]
        problem = measure(truth, operator.to("cpu", torch.float64), 0.0, seed=0, indices=indices)
        posterior = exact_posterior(problem, exact)
        here = problem.to(device, torch.float32)
        for name, (growth, iterations) in product(maps, steps):
            seen = looked_at(here, prior, Through(name, growth, iterations), device, fine)
            last, chosen = seen["component"][-1], seen["component"] == seen["component"][-1]
            committed = chosen.flip(0).cumprod(0).flip(0).bool()  # from here on it stays
            first = committed.int().argmax(0, keepdim=True)
            there = {key: seen[key].gather(0, first)[0] for key in ("residual", "gain")}
            error = (seen["x"].cpu() - truth).square().flatten(1).mean(1).sqrt()
            yield [
                task,
                name,
                growth,
                iterations,
                _short(seen["levels"][first[0]].median()),
                _short((there["residual"] / seen["residual"][0]).median()),
                _short(there["gain"].median()),
                _short((last == drawn).double().mean()),
                _short(posterior.weights.gather(1, last[:, None]).mean()),
                _short(error.mean()),
                _short(1.96 * error.std() / len(indices) ** 0.5),
            ]


def _short(value: Tensor) -> str:
    return f"{float(value):.3g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--prior", choices=PRIORS, default="digits")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--maps", nargs="+", default=MAPS)
    parser.add_argument("--growths", nargs="+", type=float, default=GROWTHS)
    parser.add_argument("--iterations", nargs="+", type=int, default=[1])
    parser.add_argument("--fine", type=int, default=64, help="Heun steps by which a basin is told")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "lag.csv")
    told = parser.parse_args()
    prior = PRIORS[told.prior](from_uint8(MNIST(limit=1).training()))
    with told.to.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        indices = range(told.skip, told.skip + told.images)
        steps = list(product(told.growths, told.iterations))
        for line in lines(prior, indices, told.tasks, told.maps, steps, told.device, told.fine):
            writer.writerow(line)
            file.flush()
            print(*line, flush=True)
