"""How straight the flow is under each sigma(t), how exact a few Heun steps are along it, and what solvers make of it.

    python -m experiments.noise_schedule.run # writes flow.csv, levels.csv, bounds.csv, quality.csv and two figures

``flow`` says what is measured of the flow. Where the levels should be the exact posterior tells (``told``), on draws
that nothing reports; so is whether MAP-GA's step grows with the level chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from experiments.common import (
    LEARNED,
    NETWORK,
    VALIDATION,
    Row,
    band,
    best,
    canvas,
    drawn,
    interval,
    of,
    options,
    posterior_of,
    prior_of,
    run,
    scored,
)
from experiments.noise_schedule import told
from experiments.noise_schedule.flow import STEPS, TRAJECTORIES, flow
from torch import Tensor

import mapga
from mapga.posteriors.estimates import gap_to_samples
from mapga.problem import Problem
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
EXACT = "exact sampler"
LEVELS, LEVELS_OF_NETWORK = 20, 8  # the networks of digits cost most
SOLVERS = {
    ("digits", "box50"): ("map_ga_np", "map_ga_d_np", "pgdm", "ddrm", EXACT),
    ("digits", "supres4x"): ("map_ga_d_np", "pgdm", "ddrm"),
    ("patches", "box50"): ("map_ga_d_np", "pgdm", "ddrm"),
    (LEARNED, "box50"): ("map_ga_np", "map_ga_d_np", "pgdm"),
    (NETWORK, "box50"): ("map_ga_np", "map_ga_d_np"),
}
COUNTS = {"digits": 100, "patches": 64, LEARNED: 24, NETWORK: 24}
TUNED_ON = {"digits": 16, "patches": 16, LEARNED: 8, NETWORK: 4}
GROWTHS = (0.0, 1.0)  # of MAP-GA's step
KNOWN = [place for place in SOLVERS if place[0] in ("digits", "patches")]  # where the posterior tells levels


def made(name: str, steps: int) -> Schedule:
    return SCHEDULES[name](steps)


def made_for(name: str, prior: str, task: str, table: Path) -> Schedule:
    """One of the schedules, or one whose levels the posterior has told."""
    levels = LEVELS_OF_NETWORK if prior == NETWORK else LEVELS
    return told.told(name, prior, task, table, levels) if name in told.RULES else made(name, levels)


@cache
def growth(prior: str, task: str, solver: str, count: int) -> float:
    """Whether MAP-GA's step grows with the level: what is better with Karras' levels on draws that are not reported."""
    truth, problem = drawn(prior, task, SIGMA_Y, range(VALIDATION, VALIDATION + count))
    schedule = made_for("karras7", prior, task, HERE)
    candidates = [{"learning_rate_growth": number} for number in GROWTHS]
    found = best(
        candidates, lambda one: (solved(solver, schedule, prior, problem, **one) - truth).square().mean((1, 2, 3))
    )
    return float(found["learning_rate_growth"])


def solved(name: str, schedule: Schedule, prior: str, problem: Problem, **settings: Any) -> Tensor:
    """The answers of a solver, of one gradient step a level if it ascends."""
    settings = {"num_iter": 1} | settings if "map_ga" in name else settings
    solver = mapga.load_solver(name, schedule=schedule, **settings)
    return solver.restore(problem, prior_of(prior), 0, batch_size=len(problem))


def quality(asked: Row, *, few: bool, table: Path) -> Iterator[Row]:
    """What a solver makes of a schedule, on other draws than those that told levels."""
    name, task, solver = asked["prior"], asked["task"], asked["solver"]
    count, tuned_on = (4, 2) if few else (COUNTS[name], TUNED_ON[name])
    schedule = made_for(asked["schedule"], name, task, table)
    truth, problem = drawn(name, task, SIGMA_Y, range(count))
    settings: Row = {}
    found: dict[str, Tensor] = {}
    if solver == EXACT:
        x = told.sample(problem, prior_of(name), schedule)
        posterior = posterior_of(name, problem)
        samples = posterior.sample(32, seed=0, indices=range(count))
        found = {"nats_above_samples": -gap_to_samples(posterior, x, samples)}
    else:
        if "map_ga" in solver:
            settings = {"learning_rate_growth": growth(name, task, solver, tuned_on)}
        x = solved(solver, schedule, name, problem, **settings)
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    for measured, values in (found | scored(name, problem, x, truth)).items():
        yield {"settings": said, "measure": measured, "images": count} | interval(values)


def figure(flows: list[Row], qualities: list[Row], to: Path) -> None:
    """Bend, error and components of the flow; quality by schedule."""
    shown, axes = canvas(2, 4, 16, 9)
    names = [*SCHEDULES, *told.RULES]
    titles = {
        "bend": (0, "bend of the flow\n(0: straight and even)"),
        "error": (16, "rms error of its end, 16 Heun steps"),
        "astray": (16, "share on another component, 16 steps"),
    }
    for axis, (measured, (steps, title)) in zip(axes.flat, titles.items(), strict=False):
        for name in TRAJECTORIES:
            here = of(flows, prior=name, measure=measured, steps=steps)
            band(axis, [row | {"at": names.index(row["schedule"])} for row in here], "at", label=name)
        axis.set(title=title, yscale="linear" if measured == "astray" else "log")
        axis.set_xticks(range(len(SCHEDULES)), list(SCHEDULES))
        axis.legend(fontsize=7)
    for axis, ((prior, task), solvers) in zip(axes.flat[3:], SOLVERS.items(), strict=True):
        measured = "psnr" if prior == NETWORK else "mmse_gap_db"
        for k, solver in enumerate(solvers):
            here = of(qualities, prior=prior, task=task, solver=solver, measure=measured)
            rows = [row | {"at": names.index(row["schedule"])} for row in here]
            band(axis, rows, "at", label=solver, color="k" if solver == EXACT else f"C{k}")
        axis.set_xticks(range(len(names)), names)
        if prior == NETWORK:
            axis.set(title=f"{task} of {prior}, {LEVELS_OF_NETWORK} levels", ylabel="PSNR, dB")
        else:
            axis.set(title=f"{task} of {prior}, {LEVELS} levels", ylim=(0, 8), ylabel="dB above the least error")
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
        axis.legend(fontsize=7)
    for axis in axes.flat:
        axis.tick_params(axis="x", rotation=70)
    shown.savefig(to, dpi=80)


def figure_of_levels(levels: list[Row], limits: list[Row], table: Path, to: Path) -> None:
    """What is left to know by level, where the levels of each schedule are, and the bound on a sampler's error."""
    shown, axes = canvas(3, len(KNOWN), 14, 9)
    names = [*SCHEDULES, *told.RULES]
    for (above, middle, below), (prior, task) in zip(axes.T, KNOWN, strict=True):
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
    few = asked.quick
    formulas = list(SCHEDULES)[:2] if few else list(SCHEDULES)
    places = list(SOLVERS)[:1] if few else list(SOLVERS)
    of_flow = [
        {"prior": name, "schedule": schedule, "steps": steps}
        for name in (list(TRAJECTORIES)[:1] if few else TRAJECTORIES)
        for steps in (0, *STEPS)
        for schedule in formulas
    ]
    flows = run(to / "flow.csv", of_flow, partial(flow, few=few, made=made), asked.jobs)
    table = to / "levels.csv"
    choosing = range(VALIDATION, VALIDATION + (4 if few else 64))
    for prior, task in places:
        place, names = {"prior": prior, "task": task}, formulas
        if (prior, task) in KNOWN:
            names = [*formulas, *told.RULES]
            levels = run(table, [place], partial(told.curve, indices=choosing, sigma_y=SIGMA_Y), asked.jobs)
            schedules = {name: made_for(name, prior, task, table) for name in names}
            work = partial(told.bounds, indices=range(4 if few else 64), sigma_y=SIGMA_Y, schedules=schedules)
            limits = run(to / "bounds.csv", [place], work, asked.jobs)
        cells = [place | {"solver": solver, "schedule": name} for solver in SOLVERS[prior, task] for name in names]
        qualities = run(to / "quality.csv", cells, partial(quality, few=few, table=table), asked.jobs)
    if not few:
        figure(flows, qualities, to / "figure.png")
        figure_of_levels(levels, limits, table, to / "levels.png")
