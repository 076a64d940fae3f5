"""Algorithm 1, ascent on z at T alone, beside Algorithm 2: which steps are stable, how the ascent goes, where it ends.

    python -m experiments.convergence.run    # four core-minutes; writes ends.csv, steps.csv, paths.csv and figures

* ends.csv: of many starts of an instance, how far below the mode their log p(x | y) ends, and how many end on the best
  component: Algorithm 1 (budget=1x50) and Algorithm 2 of as many passes.
* steps.csv: at each level t, over instances and starts, the norm |A J|, J = dC/dz, by power iteration; the step 2 / L
  that a quadratic of curvature L = |A J|^2 / (sigma_y^2 + sigma_eps^2) allows; and the largest of the steps
  2^k 2 / L up to which all raise the likelihood, twelve times in a row.
* paths.csv: what is left of the objective and of its gradient's norm, by iteration, with the step 1 / L.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from experiments.common import Row, band, canvas, digits_prior, interval, of, options, run
from torch import Tensor

import mapga
from mapga.posteriors.estimates import best_component, gap_to_mode
from mapga.posteriors.exact import exact_posterior
from mapga.problem import Problem, measure
from mapga.schedules import Karras
from mapga.solvers import MAPGA
from mapga.solvers.steps import likelihood_residual, vjp

HERE = Path(__file__).parent
LEVELS = (0.05, 0.2, 0.5, 1.0, 3.0, 80.0)
TASKS = {"box50": 0.1, "supres4x": 0.1}
POWERS = range(-2, 4)
ITERATIONS, BUDGET, ODE_STEPS = 12, 150, 8
_ROUNDING = 1e-6  # of the objective, which a step may lose


def instances(task: str, indices: range, starts: int) -> Problem:
    """Every instance as often as there are starts; the noise of the starts goes by the place in ``starts``."""
    x = digits_prior().sample(indices, seed=0)
    operator = mapga.load_task(task).operator((1, *x.shape[2:]))
    y = measure(x, operator, TASKS[task], seed=0, indices=indices).y
    return Problem(y.repeat_interleave(starts, 0), operator, TASKS[task], list(range(starts)) * len(indices))


def climbed(problem: Problem, z: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """log p(y | C(z, t)) but for a constant, (B,), and its gradient; one forward pass and one backward."""
    prior = digits_prior(ODE_STEPS)
    variance = prior.sigma_min**2
    x, gradient = vjp(
        lambda at: prior.consistency(at, t), z, lambda x: likelihood_residual(problem, x, variance) / variance
    )
    residual = problem.y - problem.operator.apply(x)
    return -residual.flatten(1).square().sum(1) / (2 * (problem.sigma_y**2 + variance)), gradient


def spectral_norm(problem: Problem, z: Tensor, t: float, rounds: int = 8) -> Tensor:
    """|A J| of each start, by power iteration on J^T A^T A J; J v by forward mode."""
    prior, operator = digits_prior(ODE_STEPS), problem.operator
    v = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(0))
    norm = torch.zeros(len(z), dtype=z.dtype)
    for _ in range(rounds):
        v = torch.nn.functional.normalize(v.flatten(1)).reshape(v.shape)
        ahead = operator.apply(torch.func.jvp(lambda at: prior.consistency(at, t), (z,), (v,))[1])
        norm = ahead.flatten(1).norm(dim=1)
        v = vjp(lambda at: prior.consistency(at, t), z, lambda x, ahead=ahead: operator.vjp(x, ahead))[1]
    return norm


def begun(problem: Problem, t: float) -> Tensor:
    """Draws of p_t, of other images than those measured."""
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(len(problem), *digits_prior().image_shape, generator=draw, dtype=torch.float64)
    return digits_prior().sample(range(100, 100 + len(problem)), seed=1) + t * noise


def steps(asked: Row, *, count: int, starts: int) -> Iterator[Row]:
    """Which step is stable, over all instances and starts."""
    t = asked["t"]
    problem = instances(asked["task"], range(count), starts)
    z0 = begun(problem, t)
    norm = spectral_norm(problem, z0, t)
    scale = problem.sigma_y**2 + digits_prior().sigma_min ** 2
    allowed = 2 * scale / norm.square()
    unbroken = torch.ones(len(z0), dtype=torch.bool)
    stable = torch.full((len(z0),), 2.0 ** (POWERS.start - 1))  # that, or less
    for k in POWERS:
        values, _ = ascended(problem, z0, t, allowed * 2.0**k)
        unbroken &= (values.diff(dim=0) > -_ROUNDING * values[:-1].abs()).all(0) & values.isfinite().all(0)
        stable = torch.where(unbroken, torch.full_like(stable, 2.0**k), stable)
    found = {"norm_AJ": norm, "papers_of_allowed": scale / allowed, "stable_of_allowed": stable}
    for measured, numbers in found.items():
        logs = interval(numbers.log2(), 4)  # a geometric mean
        yield {"measure": measured, "starts": len(z0)} | {key: f"{2.0**log:.4g}" for key, log in logs.items()}


def ascended(problem: Problem, z: Tensor, t: float, step: Tensor) -> tuple[Tensor, Tensor]:
    """Objective and norm of its gradient along an ascent of ITERATIONS steps, both (ITERATIONS + 1, B)."""
    values, norms = [], []
    for _ in range(ITERATIONS + 1):
        value, gradient = climbed(problem, z, t)
        values.append(value)
        norms.append(gradient.flatten(1).norm(dim=1))
        z = z + step.reshape(-1, 1, 1, 1) * gradient
    return torch.stack(values), torch.stack(norms)


def paths(asked: Row, *, count: int, starts: int) -> Iterator[Row]:
    """An ascent with the step 1 / L: what it leaves of the misfit and of the gradient at its start."""
    t = asked["t"]
    problem = instances(asked["task"], range(count), starts)
    z0 = begun(problem, t)
    scale = problem.sigma_y**2 + digits_prior().sigma_min ** 2
    values, norms = ascended(problem, z0, t, scale / spectral_norm(problem, z0, t).square())
    for measured, seen in (("misfit", -values), ("gradient", norms)):
        for i, one in enumerate(seen):
            yield {"measure": measured, "iteration": i} | interval(one / seen[0], 8)


def ends(asked: Row, *, starts: int) -> Iterator[Row]:
    """Where ascents from many starts end."""
    problem = instances(asked["task"], range(asked["instance"], asked["instance"] + 1), starts)
    prior = digits_prior()
    n, num_iter = (1, (BUDGET - 1) // 3) if asked["algorithm"] == 1 else (BUDGET // 4, 1)
    solver = MAPGA(Karras(n), num_iter, learning_rate_growth=asked["growth"])
    x, known = solver.restore(problem, prior, 0, batch_size=starts), exact_posterior(problem, prior)
    gap, found = gap_to_mode(known, x), best_component(known, x).double()
    spread = interval(gap.clamp(max=1e6), 2)
    yield {"measure": "gap_nats", "starts": starts, "median": round(float(gap.median()), 2)} | spread
    yield {"measure": "on_best_component", "starts": starts, "median": ""} | interval(found, 2)


def figure_of_ends(rows: list[Row], to: Path) -> None:
    """Where ascents end: of each instance the median over starts, and the interval of the mean."""
    kinds = [(a, g) for g in (0.0, 1.0) for a in (1, 2)]
    shown, axes = canvas(1, len(TASKS), 10, 4, sharey=True)
    for axis, task in zip(axes[0], TASKS, strict=True):
        for k, (algorithm, growth) in enumerate(kinds):
            for row in of(rows, task=task, algorithm=algorithm, growth=growth, measure="gap_nats"):
                x = k + 0.08 * int(row["instance"])
                axis.plot([x, x], [float(row["low"]), float(row["high"])], f"C{k}-")
                axis.plot(x, float(row["median"]), f"C{k}o", ms=4)
        axis.set(title=f"{task}, sigma_y = {TASKS[task]}", yscale="log")
        axis.set_xticks(range(len(kinds)), [f"Algorithm {a}\n{'grown' if g else 'paper'} step" for a, g in kinds])
    axes[0, 0].set_ylabel("nats below the posterior's mode")
    shown.savefig(to, dpi=100)


def figure_of_steps(of_steps: list[Row], of_paths: list[Row], to: Path) -> None:
    """|A J|; the largest stable step of what a quadratic would allow, and the paper's; objective and gradient."""
    shown, axes = canvas(1, 4, 15, 3.8)
    for k, task in enumerate(TASKS):
        here = of(of_steps, task=task)
        band(axes[0, 0], of(here, measure="norm_AJ"), "t", label=task, color=f"C{k}")
        band(axes[0, 1], of(here, measure="stable_of_allowed"), "t", label=f"{task}: largest stable", color=f"C{k}")
        paper = {"label": f"{task}: the paper's", "color": f"C{k}", "linestyle": "--"}
        band(axes[0, 1], of(here, measure="papers_of_allowed"), "t", **paper)
    for axis, title in zip(axes[0, :2], ("|A dC/dz|", "step, of 2 / L"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="level t", title=title)
        axis.legend(fontsize=7)
    for axis, measured in zip(axes[0, 2:], ("misfit", "gradient"), strict=True):
        for k, t in enumerate(LEVELS):
            here = of(of_paths, task="box50", t=t, measure=measured)
            band(axis, here, "iteration", label=f"t = {t:g}", color=f"C{k}")
        axis.set(
            yscale="log",
            ylim=(1e-5, 2),
            xlabel="iteration, step 1 / L",
            title=f"box50: {measured}, of that at the start",
        )
    axes[0, 2].legend(fontsize=7)
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    count, levels, starts, tasks = (1, LEVELS[2:3], 2, list(TASKS)[:1]) if asked.quick else (4, LEVELS, 16, list(TASKS))
    of_ends = [
        {"task": task, "algorithm": a, "growth": g, "instance": i}
        for i in range(count)
        for task in tasks
        for a in (1, 2)
        for g in (0.0, 1.0)
    ]
    cells = [{"task": task, "t": t} for task in tasks for t in levels]
    few = {"count": count, "starts": starts // 2 if asked.quick else 6}
    stable = run(to / "steps.csv", cells, partial(steps, **few), asked.jobs)
    gone = run(to / "paths.csv", cells, partial(paths, **few), asked.jobs)
    found = run(to / "ends.csv", of_ends, partial(ends, starts=starts), asked.jobs)
    if not asked.quick:
        figure_of_ends(found, to / "figure.png")
        figure_of_steps(stable, gone, to / "steps.png")
