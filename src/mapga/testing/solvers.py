"""Checks of solvers, on images of 4x4 pixels, half of them hidden, and priors in closed form."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from mapga.card import Needs
from mapga.operators.base import Operator
from mapga.operators.masks import CentralBox
from mapga.priors.base import Prior
from mapga.problem import Problem, measure
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.testing.exact import CountingPrior, gaussian, gaussian_posterior, mixture
from mapga.testing.failure import close, require, travelled
from mapga.testing.noise import FixedNoise, ZeroNoise

__all__ = [
    "batch_independence",
    "checks",
    "closed_form",
    "counted_passes",
    "data_fit",
    "levels",
    "nan_isolation",
    "noise_for",
    "pickling",
    "repeatability",
    "shard_independence",
    "solved",
    "states",
]

SHAPE = (1, 4, 4)
_SOME_NOISE = 0.2  # sigma_y of a noisy problem
_DRAWS = 400  # answers of which a mean is taken


def checks(solver: Solver) -> list[Callable[[Solver], None]]:
    """Those that apply to it: all of them."""
    independent: list[Callable[..., None]] = [batch_independence, shard_independence, nan_isolation]
    return [states, *independent, repeatability, pickling, counted_passes, levels, data_fit, closed_form]


def noise_for(solver: Solver) -> float:
    """A sigma_y that a solver serves, noisy if it can."""
    return 0.0 if _needs(solver).noise == "none" else _SOME_NOISE


def states(solver: Solver) -> None:
    """It yields ``n_steps`` states, in order, of falling noise, finite and without a graph."""
    found = _states(solver, problem := _problem(solver, 2), gaussian(SHAPE)[0], [0, 1])
    require(len(found) == solver.n_steps, f"it yields {len(found)} states, and n_steps is {solver.n_steps}")
    require([one.step for one in found] == [*range(1, len(found) + 1)], "its states are not numbered 1, 2, ...")
    sigmas = [one.sigma for one in found]
    require(all(after < before for before, after in pairwise(sigmas)), f"its noise levels do not fall: {sigmas}")
    ends = (0.0, solver.schedule.sigma_min)
    require(sigmas[-1] in ends, f"its last state is at sigma={sigmas[-1]:g}, neither 0 nor sigma_min={ends[1]:g}")
    for one in found:
        for name, image in (("x", one.x), ("estimate", one.estimate)):
            shape = tuple(image.shape)
            require(shape == (2, *SHAPE), f"state {one.step}: {name} has shape {shape}, images are {(2, *SHAPE)}")
            require(
                image.dtype == problem.y.dtype, f"state {one.step}: {name} is {image.dtype}, y is {problem.y.dtype}"
            )
            require(not image.requires_grad, f"state {one.step}: {name} carries a graph: detach it")
            require(bool(torch.isfinite(image).all()), f"state {one.step}: {name} is not finite")


def batch_independence(solver: Solver, operator: Operator | None = None, prior: Prior | None = None) -> None:
    """Each of five images is restored in company as it is alone."""
    operator = operator or CentralBox(SHAPE, 0.5)
    problem = _problem(solver, 5, operator)
    for known in [prior] if prior else [gaussian(SHAPE)[0], mixture(SHAPE)]:
        together = _states(solver, problem, known, range(5))
        for k in range(5):
            alone = _states(solver, Problem(problem.y[k : k + 1], operator, problem.sigma_y), known, [k])
            for one, other in zip(together, alone, strict=True):
                what = f"step {one.step}: image {k} in a batch of 5 and alone differ"
                close(one.x[k : k + 1], other.x, what, atol=1e-12, rtol=1e-12)


def shard_independence(solver: Solver) -> None:
    """Every second image, in another order, is restored as among all: it is its index that counts."""
    problem, prior = _problem(solver, 4), mixture(SHAPE)
    whole = solved(solver, problem, prior, range(4))
    for rows in ([0, 2], [3, 1]):
        part = solved(solver, Problem(problem.y[rows], problem.operator, problem.sigma_y), prior, rows)
        close(part, whole[rows], f"images {rows} as a shard and among four differ", atol=1e-12, rtol=1e-12)


def nan_isolation(solver: Solver, prior: Prior | None = None) -> None:
    """An image whose measurement is NaN leaves the others as they are, to the bit, and is NaN itself."""
    problem = _problem(solver, 4)
    broken = problem.y.clone()
    broken[2, 0, 0, 0] = torch.nan
    for known in [prior] if prior else [gaussian(SHAPE)[0], mixture(SHAPE)]:
        sound, spoilt = (
            _states(solver, Problem(y, problem.operator, problem.sigma_y), known, range(4)) for y in (problem.y, broken)
        )
        for one, other in zip(sound, spoilt, strict=True):
            for k in (0, 1, 3):
                same = torch.equal(one.x[k], other.x[k])
                require(same, f"step {one.step}: image {k} changes where the measurement of image 2 is NaN")
        require(bool(torch.isnan(spoilt[-1].x[2]).any()), "an image whose measurement is NaN comes out finite")


def repeatability(solver: Solver) -> None:
    """The same again, and neither y nor the operator is changed."""
    problem, prior = _problem(solver, 2), mixture(SHAPE)
    y, s = problem.y.clone(), problem.operator.singular_values.clone()  # type: ignore[attr-defined]
    first = solved(solver, problem, prior, [3, 4])
    require(torch.equal(first, solved(solver, problem, prior, [3, 4])), "solved again it answers otherwise")
    require(torch.equal(problem.y, y), "it changes the measurement in place")
    kept = torch.equal(problem.operator.singular_values, s)  # type: ignore[attr-defined]
    require(kept, "it changes the operator in place")


def pickling(solver: Solver) -> None:
    """It answers the same in another process."""
    problem, prior = _problem(solver, 2), gaussian(SHAPE)[0]
    there = solved(travelled(solver), problem, prior, [0, 1])
    require(torch.equal(solved(solver, problem, prior, [0, 1]), there), "once pickled it answers otherwise")


def counted_passes(solver: Solver) -> None:
    """It makes the network passes that its card states, and asks for D, C and derivatives where its card says so."""
    solved(solver, _problem(solver, 2), prior := CountingPrior(SHAPE), [0, 1])
    counts, steps, needs = prior.counts, solver.schedule.steps, _needs(solver)
    stated = solver.card.passes(solver, steps) if solver.card.passes else None
    made = sum(counts.values())
    require(made == stated, f"its card states {stated} passes for {steps} steps, it made {made}: {counts}")
    for name, need in (("denoise", needs.denoiser), ("consistency", needs.consistency), ("vjp", needs.vjp)):
        said = "needs" if need else "does not need"
        require((counts[name] > 0) == need, f"its card says that it {said} {name}, it asked {counts[name]} times")


def levels(solver: Solver) -> None:
    """It asks its schedule for as many levels as its card states, once."""
    asked, stated = _Asked(solver.schedule), _needs(solver).levels
    spied = copy.copy(solver)
    spied.schedule = asked
    solved(spied, _problem(solver, 2), CountingPrior(SHAPE), [0, 1])
    require(asked.asked == ([stated] if stated else []), f"its card states {stated} levels, it asked for {asked.asked}")


def data_fit(solver: Solver) -> None:
    """Its answer fits its own measurement, and that of no other image: guidance of the wrong sign leads away."""
    operator = CentralBox(SHAPE, 0.5)
    problem = _problem(solver, 4, operator)
    answers = operator.apply(solved(solver, problem, gaussian(SHAPE)[0], range(4)))
    residuals = (answers[:, None] - problem.y).flatten(2).norm(dim=2)
    own = residuals.diagonal()
    others = (residuals + torch.diag(torch.full((4,), torch.inf, dtype=residuals.dtype))).amin(1)
    worst = int((own / others).argmax())
    said = (
        f"|A x - y| of image {worst} is {float(own[worst]):.3g} from its own y, {float(others[worst]):.3g} from another"
    )
    require(bool((own < 0.3 * others).all()), f"its answer does not fit its measurement: {said}'s")


def closed_form(solver: Solver, expected: Tensor | None = None, *, tolerance: float = 0.1) -> None:
    """On a Gaussian prior its mean answer lies, where something is seen, between the posterior's mean and y.

    Solvers of the field are biased towards y, some as far as y itself; with 20 steps ours leave that range by at most
    0.08 (PGDM; with 50 by 0.02). Caught: a denoiser's answer taken 10 % too large, where the solver's is made of it
    (0.25 and more), guidance 10 % too weak (0.18 in PGDM). Not caught: what leads towards y, what later steps mend,
    and pixels of which nothing is seen. ``expected`` holds a solver to its own closed form, in every pixel.

    Args:
        solver: With 20 steps or more. One that is affine in its noise is solved without noise; of another the mean of
            400 answers is taken, and four of its standard errors are allowed for.
        expected: Its mean answer, (2, 1, 4, 4), to the problem that ``measure`` makes of seed 0 here.
        tolerance: Largest error, of the root mean square of what is expected.
    """
    prior, mean, covariance = gaussian(SHAPE)
    problem = _problem(solver, 2, operator := CentralBox(SHAPE, 0.5))
    answer, error = _mean_answer(solver, problem, prior)
    if expected is None:
        noise = max(problem.sigma_y, 1e-4) ** 2 * torch.eye(16, dtype=torch.float64)
        matrix = torch.diag(operator.measured.double().flatten())
        posterior, _ = gaussian_posterior(mean, covariance, matrix, problem.y.flatten(1), noise)
        answer, error, y = (operator.restrict(one) for one in (answer, error, problem.y))
        ends = torch.stack([operator.restrict(posterior.reshape(2, *SHAPE)), y])
        expected = answer.clamp(ends.amin(0), ends.amax(0))
        scale = float(ends[0].square().mean().sqrt())
    else:
        scale = float(expected.square().mean().sqrt())
    what = "its mean answer on a Gaussian prior is not the closed form"
    close(answer, expected, what, atol=tolerance * scale + 4 * float(error.max()), rtol=0)


def solved(solver: Solver, problem: Problem, prior: Prior, indices: Sequence[int]) -> Tensor:
    """The answer to a problem of images with these indices, in float64."""
    return _states(solver, problem, prior, indices)[-1].x


def _mean_answer(solver: Solver, problem: Problem, prior: Prior) -> tuple[Tensor, Tensor]:
    """The mean of a solver's answers to each measurement, and its standard error."""
    if solver.affine:
        mean = list(solver.iterate(problem, prior, ZeroNoise(problem.y)))[-1].x  # type: ignore[arg-type]
        return mean, torch.zeros_like(mean)
    y = problem.y.repeat_interleave(_DRAWS, 0)
    draw = torch.Generator().manual_seed(0)
    start, *steps = torch.randn(solver.n_steps + 2, len(y), *SHAPE, dtype=y.dtype, generator=draw)
    noise = FixedNoise(start, torch.stack(steps))
    states = list(solver.iterate(Problem(y, problem.operator, problem.sigma_y), prior, noise))  # type: ignore[arg-type]
    answers = states[-1].x.unflatten(0, (-1, _DRAWS))
    return answers.mean(1), answers.std(1) / _DRAWS**0.5


def _states(solver: Solver, problem: Problem, prior: Prior, indices: Sequence[int]) -> list[State]:
    noise = NoiseSource(0, list(indices), SHAPE, dtype=torch.float64)
    return list(solver.iterate(problem, prior, noise))


def _needs(solver: Solver) -> Needs:
    return solver.card.needs(solver, solver.schedule.steps) if solver.card.needs else Needs()


def _problem(solver: Solver, batch: int, operator: Operator | None = None) -> Problem:
    x = torch.randn(batch, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return measure(x, operator or CentralBox(SHAPE, 0.5), noise_for(solver), seed=0, indices=range(batch))


class _Asked(Schedule):
    """A schedule that notes how many levels it was asked for; stretched, it is another schedule."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule.steps, schedule.sigma_max, schedule.sigma_min)
        self._schedule = schedule
        self.asked: list[int] = []

    def levels(self, points: int) -> Tensor:
        self.asked.append(points)
        return self._schedule.levels(points)

    def spanning(self, sigma_max: float, sigma_min: float) -> Schedule:
        return self._schedule.spanning(sigma_max, sigma_min)
