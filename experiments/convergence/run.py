"""Algorithm 1, ascent on z at T alone, beside Algorithm 2: which steps are stable, how the ascent goes, where it ends.

    python -m experiments.convergence.run    # ten core-minutes; writes ends.csv, steps.csv, paths.csv and figures

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
from experiments.common import (
    LEARNED,
    LOST,
    NETWORK,
    Row,
    band,
    canvas,
    exact_prior,
    interval,
    of,
    options,
    posterior_of,
    prior_of,
    run,
    truths,
)
from torch import Tensor

import mapga
from mapga.posteriors.estimates import best_component, gap_to_mode
from mapga.priors import Prior
from mapga.problem import Problem, measure
from mapga.schedules import Karras
from mapga.solvers import MAPGA
from mapga.solvers.steps import likelihood_residual, vjp

HERE = Path(__file__).parent
LEVELS = {
    "digits": (0.05, 0.2, 0.5, 1.0, 3.0, 80.0),
    "patches": (0.05, 0.2, 1.0, 3.0, 80.0),
    LEARNED: (0.05, 0.2, 1.0, 3.0, 80.0),
    NETWORK: (0.05, 0.2, 1.0, 3.0, 80.0),
}
SIGMA_Y, OTHER_NOISES = 0.1, (0.05, 0.2)
TASKS = {"digits": ("box50", "supres4x"), "patches": ("box50",), LEARNED: ("box50",), NETWORK: ("box50",)}
STARTS = {"digits": 6, "patches": 3, LEARNED: 3, NETWORK: 2}  # of each of four instances, where steps are tried
ENDS = {"digits": (4, 16), "patches": (3, 8), LEARNED: (3, 8)}  # instances and starts of each, where ends are compared
TERMS = {
    "digits": (True,),
    "patches": (True, False),
    LEARNED: (True, False),
    NETWORK: (),
}  # with the prior term, and without
ODE_STEPS, ODE_STEPS_OF_ENDS = {"digits": 8, "patches": 16}, 16  # of the exact C
POWERS = range(-2, 4)
ITERATIONS, BUDGET = 12, 150
_ROUNDING = 1e-6  # of the objective, which a step may lose


def instances(prior: str, task: str, sigma_y: float, indices: range, starts: int) -> Problem:
    """Every instance as often as there are starts; the noise of the starts goes by the place in ``starts``."""
    x = truths(prior, indices)
    operator = mapga.load_task(task).operator((1, *x.shape[2:]))
    y = measure(x, operator, sigma_y, seed=0, indices=indices).y
    numbers = list(range(starts)) * len(indices)
    return Problem(y.repeat_interleave(starts, 0), operator, sigma_y, numbers).to("cpu", x.dtype)


def climbed(prior: Prior, problem: Problem, z: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """log p(y | C(z, t)) but for a constant, (B,), and its gradient; one forward pass and one backward."""
    variance = prior.sigma_min**2
    x, gradient = vjp(
        lambda at: prior.consistency(at, t), z, lambda x: likelihood_residual(problem, x, variance) / variance
    )
    residual = problem.y - problem.operator.apply(x)
    return -residual.flatten(1).square().sum(1) / (2 * (problem.sigma_y**2 + variance)), gradient


def spectral_norm(prior: Prior, problem: Problem, z: Tensor, t: float, rounds: int = 8) -> Tensor:
    """|A J| of each start, by power iteration on J^T A^T A J; J v by forward mode."""
    operator = problem.operator
    v = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(0))
    norm = torch.zeros(len(z), dtype=z.dtype)
    for _ in range(rounds):
        v = torch.nn.functional.normalize(v.flatten(1)).reshape(v.shape)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the one with a forward mode
            ahead = operator.apply(torch.func.jvp(lambda at: prior.consistency(at, t), (z,), (v,))[1])
        norm = ahead.flatten(1).norm(dim=1)
        v = vjp(lambda at: prior.consistency(at, t), z, lambda x, ahead=ahead: operator.vjp(x, ahead))[1]
    return norm


def begun(name: str, problem: Problem, t: float) -> Tensor:
    """Draws of p_t, of other images than those measured."""
    others, draw = range(100, 100 + len(problem)), torch.Generator().manual_seed(1)
    clean = truths(name, others) if name == NETWORK else exact_prior(name).sample(others, seed=1)
    return (clean + t * torch.randn(clean.shape, generator=draw, dtype=torch.float64)).to(problem.y)


def steps(asked: Row, *, count: int, most: int) -> Iterator[Row]:
    """Which step is stable, over all instances and starts."""
    t, name = asked["t"], asked["prior"]
    prior = prior_of(name, ODE_STEPS.get(name, 0))
    problem = instances(name, asked["task"], SIGMA_Y, range(count), min(most, STARTS[name]))
    z0 = begun(name, problem, t)
    norm = spectral_norm(prior, problem, z0, t)
    scale = problem.sigma_y**2 + prior.sigma_min**2
    allowed = 2 * scale / norm.square()
    unbroken = torch.ones(len(z0), dtype=torch.bool)
    stable = torch.full((len(z0),), 2.0 ** (POWERS.start - 1))  # that, or less
    for k in POWERS:
        values, _ = ascended(prior, problem, z0, t, allowed * 2.0**k)
        risen = values.diff(dim=0) > -_ROUNDING * values[:-1].abs()
        unbroken &= risen.all(0) & values.isfinite().all(0)
        stable = torch.where(unbroken, torch.full_like(stable, 2.0**k), stable)
    found = {"norm_AJ": norm, "papers_of_allowed": scale / allowed, "stable_of_allowed": stable}
    for measured, numbers in found.items():
        logs = interval(numbers.log2(), 4)  # a geometric mean
        yield {"measure": measured, "starts": len(z0)} | {key: f"{2.0**log:.4g}" for key, log in logs.items()}


def ascended(prior: Prior, problem: Problem, z: Tensor, t: float, step: Tensor) -> tuple[Tensor, Tensor]:
    """Objective and norm of its gradient along an ascent of ITERATIONS steps, both (ITERATIONS + 1, B)."""
    values, norms = [], []
    for _ in range(ITERATIONS + 1):
        value, gradient = climbed(prior, problem, z, t)
        values.append(value)
        norms.append(gradient.flatten(1).norm(dim=1))
        z = z + step.reshape(-1, 1, 1, 1) * gradient
    return torch.stack(values), torch.stack(norms)


def paths(asked: Row, *, count: int, most: int) -> Iterator[Row]:
    """An ascent with the step 1 / L: what it leaves of the misfit and of the gradient at its start."""
    t, name = asked["t"], asked["prior"]
    prior = prior_of(name, ODE_STEPS.get(name, 0))
    problem = instances(name, asked["task"], SIGMA_Y, range(count), min(most, STARTS[name]))
    z0 = begun(name, problem, t)
    scale = problem.sigma_y**2 + prior.sigma_min**2
    values, norms = ascended(prior, problem, z0, t, scale / spectral_norm(prior, problem, z0, t).square())
    for measured, seen in (("misfit", -values), ("gradient", norms)):
        for i, one in enumerate(seen):
            yield {"measure": measured, "iteration": i} | interval(one / seen[0], 8)


def ends(asked: Row, *, most: int) -> Iterator[Row]:
    """Where ascents from many starts end."""
    name, instance, starts = asked["prior"], asked["instance"], min(most, ENDS[asked["prior"]][1])
    problem = instances(name, asked["task"], asked["sigma_y"], range(instance, instance + 1), starts)
    term = asked["prior_term"]
    each = 4 if term else 3  # passes of a level with one gradient step
    n, num_iter = (1, (BUDGET - 1) // (each - 1)) if asked["algorithm"] == 1 else (BUDGET // each, 1)
    solver = MAPGA(Karras(n), num_iter, learning_rate_growth=asked["growth"], use_prior=term)
    x = solver.restore(problem, prior_of(name, ODE_STEPS_OF_ENDS), 0, batch_size=starts).double()
    known = posterior_of(name, problem)
    gap = gap_to_mode(known, x).nan_to_num(LOST).clamp(max=LOST)
    found = best_component(known, x.nan_to_num(0.0)).double() * (gap < LOST)
    yield {"measure": "gap_nats", "starts": starts, "median": round(float(gap.median()), 2)} | interval(gap, 2)
    yield {"measure": "on_best_component", "starts": starts, "median": ""} | interval(found, 2)


def figure_of_ends(rows: list[Row], to: Path) -> None:
    """Where ascents end: of each instance the median over starts, and the interval of the mean."""
    kinds = [(a, g) for g in (0.0, 1.0) for a in (1, 2)]
    places = [(prior, task, term) for prior, tasks in TASKS.items() for task in tasks for term in TERMS[prior]]
    shown, axes = canvas(1, len(places), 17, 4.2)
    for axis, (prior, task, term) in zip(axes[0], places, strict=True):
        shared = of(rows, prior=prior, task=task, sigma_y=SIGMA_Y, prior_term=term, measure="gap_nats")
        for k, (algorithm, growth) in enumerate(kinds):
            for row in of(shared, algorithm=algorithm, growth=growth):
                if float(row["median"]) >= LOST:
                    axis.text(k, 0.95, "diverged", ha="center", fontsize=7, transform=axis.get_xaxis_transform())
                    continue
                x = k + 0.08 * int(row["instance"])
                axis.plot([x, x], [float(row["low"]), float(row["high"])], f"C{k}-")
                axis.plot(x, float(row["median"]), f"C{k}o", ms=4)
        without = "" if term else "\nwithout prior term"
        axis.set(title=f"{task} of {prior}{without}", yscale="log", xlim=(-0.4, 3.6))
        axis.set_xticks(range(len(kinds)), [f"Alg. {a}, {'grown' if g else 'paper'}" for a, g in kinds], rotation=40)
    axes[0, 0].set_ylabel("nats below the posterior's mode")
    shown.savefig(to, dpi=90)


def figure_of_steps(of_steps: list[Row], of_paths: list[Row], to: Path) -> None:
    """|A J|; the largest stable step of what a quadratic would allow, and the paper's; objective and gradient."""
    shown, axes = canvas(3, 4, 17, 11)
    for k, (prior, task) in enumerate((prior, task) for prior, tasks in TASKS.items() for task in tasks):
        here, name = of(of_steps, prior=prior, task=task), f"{task} of {prior}"
        band(axes[0, 0], of(here, measure="norm_AJ"), "t", label=name, color=f"C{k}")
        band(axes[0, 1], of(here, measure="stable_of_allowed"), "t", label=f"{name}: largest stable", color=f"C{k}")
        paper = {"label": f"{name}: the paper's", "color": f"C{k}", "linestyle": "--"}
        band(axes[0, 1], of(here, measure="papers_of_allowed"), "t", **paper)
    for axis, title in zip(axes[0, :2], ("|A dC/dz|", "step, of 2 / L"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="level t", title=title)
    axes[0, 0].legend(fontsize=7)
    for axis in axes[0, 2:]:
        axis.axis("off")
    axes[0, 2].legend(*axes[0, 1].get_legend_handles_labels(), loc="center", fontsize=8)
    for line, measured in zip(axes[1:], ("misfit", "gradient"), strict=True):
        for axis, prior in zip(line, LEVELS, strict=True):
            for t in LEVELS[prior]:
                here = of(of_paths, prior=prior, task="box50", t=t, measure=measured)
                band(axis, here, "iteration", label=f"t = {t:g}", color=f"C{LEVELS['digits'].index(t)}")
            title = f"box50 of {prior}: {measured},\nof that at the start"
            axis.set(yscale="log", ylim=(1e-5, 2), xlabel="iteration, step 1 / L", title=title)
            axis.legend(fontsize=7)
    shown.savefig(to, dpi=80)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    priors = list(TASKS)[:1] if asked.quick else list(TASKS)
    count, most = (1, 2) if asked.quick else (4, 16)
    places = [{"prior": prior, "task": task} for prior in priors for task in TASKS[prior]]
    noises = {("digits", "box50"): (SIGMA_Y, *OTHER_NOISES)}
    of_ends = [
        place | {"sigma_y": sigma_y, "prior_term": term, "algorithm": a, "growth": g, "instance": i}
        for place in places
        for sigma_y in noises.get((place["prior"], place["task"]), (SIGMA_Y,))
        for term in TERMS[place["prior"]]
        for i in range(min(count, ENDS[place["prior"]][0]))
        for a in (1, 2)
        for g in (0.0, 1.0)
    ]
    cells = [place | {"t": t} for place in places for t in LEVELS[place["prior"]][: 1 if asked.quick else None]]
    few = {"count": count, "most": most}
    stable = run(to / "steps.csv", cells, partial(steps, **few), asked.jobs)
    gone = run(to / "paths.csv", cells, partial(paths, **few), asked.jobs)
    found = run(to / "ends.csv", of_ends, partial(ends, most=most), asked.jobs)
    if not asked.quick:
        figure_of_ends(found, to / "figure.png")
        figure_of_steps(stable, gone, to / "steps.png")
