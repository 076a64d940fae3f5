"""How straight the flow is under each sigma(t), how exact a few Heun steps are along it, and what solvers make of it.

    python -m experiments.noise_schedule.run # a minute on 16 cores; writes flow.csv, quality.csv and figure.png

Of a trajectory x(t), 0 <= t <= 1, from sigma = 80 to 0.002 at the levels sigma(t) of a schedule:

* bend = integral |dx/dt - (x(1) - x(0))|^2 dt / |x(1) - x(0)|^2, 0 where it is straight and evenly run;
* error: rms of the end of n Heun steps at the schedule's levels, from the end of 2,000 geometric ones;
* astray: the share of trajectories that end on another component.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import torch
from experiments.common import Row, digits_prior, drawn, interval, options, patches_prior, run
from torch import Tensor

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import gap_to_mmse
from mapga.priors import MixturePrior
from mapga.problem import measure
from mapga.schedules import Cosine, Geometric, Karras, Linear, Quadratic, Schedule

HERE = Path(__file__).parent
SCHEDULES: dict[str, type[Schedule] | partial[Schedule]] = {
    "linear": Linear,
    "quadratic": Quadratic,
    "cosine": Cosine,
    "karras3": partial(Karras, rho=3.0),
    "karras5": partial(Karras, rho=5.0),
    "karras7": Karras,
    "karras9": partial(Karras, rho=9.0),
    "geometric": Geometric,
}
TASKS = {"box50": 0.05, "supres4x": 0.05}
SOLVERS: dict[str, Row] = {
    "map_ga_np": {"num_iter": 1, "learning_rate_growth": 1.0},
    "map_ga_d_np": {"num_iter": 1, "learning_rate_growth": 1.0},
    "pgdm": {},
    "ddrm": {},
}
ON_PATCHES: dict[str, Row] = {"map_ga_d_np": {"num_iter": 1}, "pgdm": {}, "ddrm": {}}  # box50, 20 levels
STEPS, FINE = (8, 16, 32), 2000


def made(name: str, steps: int) -> Schedule:
    return SCHEDULES[name](steps)


def heun(prior: MixturePrior, x: Tensor, levels: list[float]) -> Iterator[Tensor]:
    """The points of the flow at some levels, the first one included."""
    yield x
    for sigma, then in pairwise(levels):
        slope = (x - prior.denoise(x, sigma)) / sigma
        ahead = x + (then - sigma) * slope
        x = x + (then - sigma) * (slope + (ahead - prior.denoise(ahead, then)) / then) / 2
        yield x


def begun(count: int) -> Tensor:
    """Where trajectories start."""
    noise = torch.randn(count, *digits_prior().image_shape, generator=torch.Generator().manual_seed(0))
    return 80.0 * noise.double()


@cache
def ended(count: int, fine: int) -> Tensor:
    """Where they end, in so many geometric steps."""
    *_, end = heun(digits_prior(), begun(count), Geometric(fine).levels(fine + 1).tolist())
    return end


def flow(asked: Row, *, count: int, fine: int) -> Iterator[Row]:
    prior, start = digits_prior(), begun(count)
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
    *_, found = heun(prior, start, made(asked["schedule"], asked["steps"]).levels(asked["steps"] + 1).tolist())
    end = ended(count, fine)
    moved = nearest(prior, found) != nearest(prior, end)
    yield {"measure": "error"} | interval((found - end).square().flatten(1).mean(1).sqrt(), 4)
    yield {"measure": "astray"} | interval(moved.double())


def _between(a: Tensor, b: Tensor, parts: int) -> Tensor:
    return (a.log() + (b.log() - a.log()) * torch.arange(parts, dtype=a.dtype) / parts).exp()


def nearest(prior: MixturePrior, x: Tensor) -> Tensor:
    return (x.flatten(1) @ prior.means.T - prior.half_norms).argmax(1)


def quality(asked: Row, *, count: int) -> Iterator[Row]:
    prior, task, name = digits_prior(ode_steps=16), asked["task"], asked["solver"]
    truth = prior.sample(range(count), seed=0)
    operator = mapga.load_task(task).operator((1, *truth.shape[2:]))
    problem = measure(truth, operator, TASKS[task], seed=0, indices=range(count))
    schedule = made(asked["schedule"], asked["steps"])
    solver = mapga.load_solver(name, schedule=schedule, **SOLVERS[name])
    gap = gap_to_mmse(exact_posterior(problem, prior), solver.restore(problem, prior, 0, batch_size=count))
    yield {"measure": "mmse_gap_db"} | interval(gap.nan_to_num(1e9).clamp(max=1e9))


def on_patches(asked: Row, *, count: int) -> Iterator[Row]:
    """The same of natural patches; MAP-GA with the paper's step."""
    prior, name = patches_prior(), asked["solver"]
    _, problem = drawn(prior, "box50", TASKS["box50"], range(count))
    solver = mapga.load_solver(name, schedule=made(asked["schedule"], 20), **ON_PATCHES[name])
    gap = gap_to_mmse(exact_posterior(problem, prior), solver.restore(problem, prior, 0, batch_size=count))
    yield {"measure": "mmse_gap_db"} | interval(gap.nan_to_num(1e9).clamp(max=1e9))


def figure(flows: list[Row], qualities: list[Row], to: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(1, 3, figsize=(14, 4.5), layout="constrained")
    names = list(SCHEDULES)
    bends = {r["schedule"]: r for r in flows if r["measure"] == "bend"}
    axes[0].bar(names, [float(bends[name]["mean"]) for name in names])
    axes[0].set(title="bend of the flow (0: straight and even)", yscale="log")
    for steps in STEPS:
        errors = {r["schedule"]: r for r in flows if r["measure"] == "error" and r["steps"] == str(steps)}
        axes[1].plot(names, [float(errors[name]["mean"]) for name in names], "o-", label=f"{steps} Heun steps")
    axes[1].set(title="rms error of the flow's end", yscale="log")
    for solver in SOLVERS:
        for task, style in zip(TASKS, ("o-", "s--"), strict=True):
            of = {r["schedule"]: r for r in qualities if (r["solver"], r["task"], r["steps"]) == (solver, task, "20")}
            axes[2].plot(names, [float(of[name]["mean"]) for name in names], style, ms=3, label=f"{solver}, {task}")
    axes[2].set(title="dB above the least error, 20 levels", ylim=(0, 15))
    for axis in axes:
        axis.tick_params(axis="x", rotation=60)
    axes[1].legend(fontsize=7)
    axes[2].legend(fontsize=6)
    shown.savefig(to, dpi=90)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    names = list(SCHEDULES)[:2] if asked.quick else list(SCHEDULES)
    of = [{"schedule": name, "steps": steps} for steps in (0, *STEPS) for name in names]
    work = partial(flow, count=4, fine=200) if asked.quick else partial(flow, count=200, fine=FINE)
    flows = run(to / "flow.csv", of, work, asked.jobs)
    cells = [
        {"task": task, "solver": solver, "steps": steps, "schedule": name}
        for solver in SOLVERS
        for task in TASKS
        for steps in ((20,) if asked.quick else (20, 50))
        for name in names
    ]
    qualities = run(to / "quality.csv", cells, partial(quality, count=4 if asked.quick else 100), asked.jobs)
    few = [{"solver": solver, "schedule": name} for solver in ON_PATCHES for name in names]
    run(to / "patches.csv", few, partial(on_patches, count=4 if asked.quick else 40), asked.jobs)
    if not asked.quick:
        figure(flows, qualities, to / "figure.png")
