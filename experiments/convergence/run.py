"""Algorithm 1, ascent on z at T alone, beside Algorithm 2: which steps are stable, and where the ascents end.

    python -m experiments.convergence.run    # a minute on 16 cores; writes ends.csv, steps.csv and their figures

* steps.csv: for each instance, start and level t the norm |A J|, J = dC/dz, by power iteration; the step 2 / L that
  a quadratic of curvature L = |A J|^2 / (sigma_y^2 + sigma_eps^2) allows; and the largest of the steps 2^k 2 / L of
  which 20 never lower the likelihood.
* ends.csv: of many starts of an instance, how far below the mode their log p(x | y) ends, and how many end on the best
  component: Algorithm 1 (budget=1x50) and Algorithm 2 of as many passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from experiments.common import Row, digits_prior, interval, options, run
from torch import Tensor

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import best_component, gap_to_mode
from mapga.problem import Problem, measure
from mapga.schedules import Karras
from mapga.solvers import MAPGA
from mapga.solvers.steps import vjp

HERE = Path(__file__).parent
LEVELS = (0.05, 0.2, 0.5, 1.0, 3.0, 10.0, 80.0)
TASKS = {"box50": 0.1, "supres4x": 0.1}
POWERS = range(-2, 6)
ITERATIONS, BUDGET = 20, 150


def one(task: str, index: int, starts: int) -> Problem:
    """One instance, as often as there are starts: the noise of the starts goes by the index in the batch."""
    x = digits_prior().sample([index], seed=0)
    operator = mapga.load_task(task).operator((1, *x.shape[2:]))
    y = measure(x, operator, TASKS[task], seed=0, indices=[index]).y
    return Problem(y.expand(starts, *y.shape[1:]), operator, TASKS[task], indices=range(starts))


def spectral_norm(problem: Problem, z: Tensor, t: float, rounds: int = 12) -> Tensor:
    """|A J| of each start, by power iteration on J^T A^T A J; J v by forward mode."""
    prior, operator = digits_prior(), problem.operator
    v = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(0))
    norm = torch.zeros(len(z), dtype=z.dtype)
    for _ in range(rounds):
        v = v / v.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        ahead = operator.apply(torch.func.jvp(lambda at: prior.consistency(at, t), (z,), (v,))[1])
        norm = ahead.flatten(1).norm(dim=1)
        v = vjp(lambda at: prior.consistency(at, t), z, lambda x, ahead=ahead: operator.vjp(x, ahead))[1]
    return norm


def likelihood(problem: Problem, z: Tensor, t: float) -> Tensor:
    x = digits_prior().consistency(z, t)
    return -(problem.y - problem.operator.apply(x)).square().flatten(1).sum(1) / (2 * (problem.sigma_y**2 + 4e-6))


def steps(asked: Row) -> Iterator[Row]:
    problem, t = one(asked["task"], asked["instance"], 4), asked["t"]
    prior, noise = (
        digits_prior(),
        torch.randn(4, *digits_prior().image_shape, generator=torch.Generator().manual_seed(1)),
    )
    z0 = prior.sample(range(100, 104), seed=1) + t * noise.double()
    norm = spectral_norm(problem, z0, t)
    allowed = 2 * (problem.sigma_y**2 + prior.sigma_min**2) / norm.square()
    stable, gained = torch.zeros(4), torch.zeros(4, dtype=torch.float64)
    for k in POWERS:
        z, begun = z0, likelihood(problem, z0, t)
        values, scale = [begun], (allowed * 2.0**k).reshape(-1, 1, 1, 1)
        for _ in range(ITERATIONS):
            z = z + scale * MAPGA(Karras(), use_prior=False, learning_rate=1.0).ascent(problem, prior, z, t)
            values.append(likelihood(problem, z, t))
        seen = torch.stack(values)
        rising = (seen.diff(dim=0) > -1e-6 * seen[:-1].abs()).all(0) & seen.isfinite().all(0)
        stable = torch.where(rising, torch.full((4,), 2.0**k), stable)
        if k == 0:
            gained = values[-1] - begun
    for start in range(4):
        yield {
            "start": start,
            "norm_AJ": f"{float(norm[start]):.4g}",
            "allowed_step": f"{float(allowed[start]):.4g}",
            "papers_step_of_allowed": f"{(problem.sigma_y**2 + 4e-6) / float(allowed[start]):.3g}",
            "largest_stable_of_allowed": float(stable[start]),
            "nats_gained": round(float(gained[start]), 2),
        }


def ends(asked: Row, *, starts: int) -> Iterator[Row]:
    """Where ascents from many starts end."""
    problem, prior = one(asked["task"], asked["instance"], starts), digits_prior()
    known = exact_posterior(problem, prior)
    growth = asked["growth"]
    n, num_iter = (1, (BUDGET - 1) // 3) if asked["algorithm"] == 1 else (BUDGET // 4, 1)
    solver = MAPGA(Karras(n), num_iter, learning_rate_growth=growth)
    x = solver.restore(problem, prior, 0, batch_size=starts)
    gap, found = gap_to_mode(known, x), best_component(known, x).double()
    yield {"measure": "gap_nats", "starts": starts, "median": round(float(gap.median()), 2)} | interval(
        gap.clamp(max=1e6), 2
    )
    yield {"measure": "on_best_component", "starts": starts, "median": ""} | interval(found, 2)


def figure(rows: list[Row], to: Path) -> None:
    """Where ascents end: of each instance the median over starts, and the interval of the mean."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    kinds = [(a, g) for g in ("0.0", "1.0") for a in ("1", "2")]
    shown, axes = plt.subplots(1, len(TASKS), figsize=(10, 4), sharey=True, layout="constrained")
    for axis, task in zip(axes, TASKS, strict=True):
        for k, kind in enumerate(kinds):
            of = [r for r in rows if r["task"] == task and (r["algorithm"], r["growth"]) == kind]
            for r in (r for r in of if r["measure"] == "gap_nats"):
                x = k + 0.08 * int(r["instance"])
                axis.plot([x, x], [float(r["low"]), float(r["high"])], f"C{k}-")
                axis.plot(x, float(r["median"]), f"C{k}o", ms=4)
        axis.set(title=f"{task}, sigma_y = {TASKS[task]}", yscale="log")
        axis.set_xticks(range(len(kinds)), [f"Algorithm {a}\ngrowth {float(g):.0f}" for a, g in kinds])
    axes[0].set_ylabel("nats below the posterior's mode")
    shown.savefig(to, dpi=100)


def figure_of_steps(rows: list[Row], to: Path) -> None:
    """|A J|, and the largest stable step of what a quadratic would allow."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for task in TASKS:
        of = [row for row in rows if row["task"] == task]
        t = [float(row["t"]) for row in of]
        axes[0].plot(t, [float(row["norm_AJ"]) for row in of], ".", label=task)
        axes[1].plot(t, [float(row["largest_stable_of_allowed"]) for row in of], ".", label=task)
        axes[1].plot(t, [float(row["papers_step_of_allowed"]) for row in of], "x", ms=3, label=f"{task}: the paper's")
    axes[0].set(xscale="log", yscale="log", xlabel="t", title="|A J|")
    axes[1].set(xscale="log", yscale="log", xlabel="t", title="largest stable step, of 2 / L at the start")
    for axis in axes:
        axis.legend(fontsize=7)
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    instances, levels, starts = (range(1), LEVELS[2:3], 4) if asked.quick else (range(8), LEVELS, 16)
    of = [
        {"task": k, "algorithm": a, "growth": g, "instance": i}
        for i in instances
        for k in TASKS
        for a in (1, 2)
        for g in (0.0, 1.0)
    ]
    found = run(to / "ends.csv", of, partial(ends, starts=starts), asked.jobs)
    figure(found, to / "figure.png")
    cells = [{"task": k, "t": t, "instance": i} for i in instances for k in TASKS for t in levels]
    figure_of_steps(run(to / "steps.csv", cells, steps, asked.jobs), to / "steps.png")
