"""How straight the flow is under each sigma(t), how exact a few Heun steps are along it, and what solvers make of it.

    python -m experiments.noise_schedule.run # writes flow.csv, levels.csv, bounds.csv, quality.csv and two figures

Of a trajectory x(t), 0 <= t <= 1, from sigma = 80 to 0.002 at the levels sigma(t) of a schedule:

* bend = integral |dx/dt - (x(1) - x(0))|^2 dt / |x(1) - x(0)|^2, 0 where it is straight and evenly run;
* error: rms of the end of n Heun steps at the schedule's levels, from the end of 2,000 geometric ones;
* astray: the share of trajectories that end on another component.

Where the levels should be the exact posterior tells (``told``), on draws that nothing reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import torch
from experiments.common import (
    VALIDATION,
    Row,
    band,
    canvas,
    digits_prior,
    drawn,
    interval,
    of,
    options,
    prior_of,
    run,
    scored,
)
from experiments.noise_schedule import told
from torch import Tensor

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import gap_to_samples
from mapga.priors import MixturePrior
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
SIGMA_Y = 0.05
PROBLEMS = (("digits", "box50"), ("digits", "supres4x"), ("patches", "box50"))
EXACT = "exact sampler"
GROWTH = {"digits": 1.0, "patches": 0.0}  # of MAP-GA's step; grown it is too long for the mean of a natural patch
LEVELS = 20
SOLVERS = {
    ("digits", "box50"): ("map_ga_np", "map_ga_d_np", "pgdm", "ddrm", EXACT),
    ("digits", "supres4x"): ("map_ga_d_np", "pgdm", "ddrm"),
    ("patches", "box50"): ("map_ga_d_np", "pgdm", "ddrm"),
}
COUNTS = {"digits": 100, "patches": 64}
STEPS, FINE = (8, 16, 32), 2000


def made(name: str, steps: int) -> Schedule:
    return SCHEDULES[name](steps)


def made_for(name: str, prior: str, task: str, table: Path) -> Schedule:
    """One of the schedules, or one whose levels the posterior has told."""
    return told.told(name, prior, task, table, LEVELS) if name in told.RULES else made(name, LEVELS)


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


def quality(asked: Row, *, most: int, table: Path) -> Iterator[Row]:
    """What a solver makes of a schedule, on other draws than those that told levels."""
    name, task, count = asked["prior"], asked["task"], min(most, COUNTS[asked["prior"]])
    schedule = made_for(asked["schedule"], name, task, table)
    prior = prior_of(name)
    truth, problem = drawn(name, task, SIGMA_Y, range(count))
    if asked["solver"] == EXACT:
        x = told.sample(problem, prior, schedule)
        posterior = exact_posterior(problem, prior)
        samples = posterior.sample(32, seed=0, indices=range(count))
        found = {"nats_above_samples": -gap_to_samples(posterior, x, samples)}
    else:
        settings = {"num_iter": 1, "learning_rate_growth": GROWTH[name]} if "map_ga" in asked["solver"] else {}
        solver = mapga.load_solver(asked["solver"], schedule=schedule, **settings)
        x, found = solver.restore(problem, prior, 0, batch_size=count), {}
    for measured, values in (found | scored(name, problem, x, truth)).items():
        yield {"measure": measured, "images": count} | interval(values)


def figure(flows: list[Row], qualities: list[Row], to: Path) -> None:
    """Bend and error of the flow; quality by schedule."""
    shown, axes = canvas(1, 2 + len(PROBLEMS), 16, 4.6)
    names = list(SCHEDULES)
    bends = {row["schedule"]: row for row in of(flows, measure="bend")}
    axes[0, 0].bar(names, [float(bends[name]["mean"]) for name in names])
    axes[0, 0].set(title="bend of the flow\n(0: straight and even)", yscale="log")
    for steps in STEPS:
        errors = {row["schedule"]: row for row in of(flows, measure="error", steps=steps)}
        axes[0, 1].plot(names, [float(errors[name]["mean"]) for name in names], "o-", label=f"{steps} Heun steps")
    axes[0, 1].set(title="rms error of the flow's end", yscale="log")
    axes[0, 1].legend(fontsize=7)
    names = [*SCHEDULES, *told.RULES]
    for axis, (prior, task) in zip(axes[0, 2:], PROBLEMS, strict=True):
        for k, solver in enumerate(SOLVERS[prior, task]):
            here = of(qualities, prior=prior, task=task, solver=solver, measure="mmse_gap_db")
            rows = [row | {"at": names.index(row["schedule"])} for row in here]
            band(axis, rows, "at", label=solver, color="k" if solver == EXACT else f"C{k}")
        axis.set_xticks(range(len(names)), names)
        axis.set(title=f"{task} of {prior}, {LEVELS} levels", ylim=(0, 8))
        axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
        axis.legend(fontsize=7)
    axes[0, 2].set_ylabel("dB above the least error")
    for axis in axes[0]:
        axis.tick_params(axis="x", rotation=70)
    shown.savefig(to, dpi=80)


def figure_of_levels(levels: list[Row], limits: list[Row], table: Path, to: Path) -> None:
    """What is left to know by level, where the levels of each schedule are, and the bound on a sampler's error."""
    shown, axes = canvas(3, len(PROBLEMS), 14, 9, height_ratios=(2, 2, 2))
    names = [*SCHEDULES, *told.RULES]
    for (above, middle, below), (prior, task) in zip(axes.T, PROBLEMS, strict=True):
        for measured, color in (("variance", "C0"), ("entropy", "C1")):
            here = of(levels, prior=prior, task=task, measure=measured)
            whole = max(float(row["mean"]) for row in here)
            shares = [row | {key: float(row[key]) / whole for key in ("mean", "low", "high")} for row in here]
            band(above, shares, "sigma", label=f"{measured} left", color=color, marker="")
        above.set(xscale="log", title=f"{task} of {prior}", xlabel="level sigma of z", ylim=(0, 1.05))
        for row, name in enumerate(names):
            at = made_for(name, prior, task, table).levels(LEVELS + 1).tolist()
            middle.plot(at, [row] * len(at), "|", color="C3" if name in told.RULES else "k")
        middle.set(xscale="log", xlabel=f"levels, {LEVELS} steps")
        middle.set_yticks(range(len(names)), names)
        here = {row["schedule"]: float(row["mean"]) for row in of(limits, prior=prior, task=task)}
        below.barh(names, [here[name] for name in names], color=["C3" if name in told.RULES else "k" for name in names])
        below.set(xscale="log", xlabel="bound on the sampler's relative entropy, nats")
    axes[0, 0].legend(fontsize=8)
    shown.savefig(to, dpi=80)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    names = list(SCHEDULES)[:2] if asked.quick else list(SCHEDULES)
    problems, most = (PROBLEMS[:1], 4) if asked.quick else (PROBLEMS, max(COUNTS.values()))
    of_flow = [{"schedule": name, "steps": steps} for steps in (0, *STEPS) for name in names]
    work = partial(flow, count=4, fine=200) if asked.quick else partial(flow, count=200, fine=FINE)
    flows = run(to / "flow.csv", of_flow, work, asked.jobs)
    table, names = to / "levels.csv", [*names, *told.RULES]
    choosing = range(VALIDATION, VALIDATION + (4 if asked.quick else 64))
    for prior, task in problems:
        place = {"prior": prior, "task": task}
        levels = run(table, [place], partial(told.curve, indices=choosing, sigma_y=SIGMA_Y), asked.jobs)
        schedules = {name: made_for(name, prior, task, table) for name in names}
        work = partial(told.bounds, indices=range(min(most, 64)), sigma_y=SIGMA_Y, schedules=schedules)
        limits = run(to / "bounds.csv", [place], work, asked.jobs)
        cells = [place | {"solver": solver, "schedule": name} for solver in SOLVERS[prior, task] for name in names]
        qualities = run(to / "quality.csv", cells, partial(quality, most=most, table=table), asked.jobs)
    if not asked.quick:
        figure(flows, qualities, to / "figure.png")
        figure_of_levels(levels, limits, table, to / "levels.png")
