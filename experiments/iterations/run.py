"""How to spend network passes on levels and on gradient steps at each, and what more passes buy, against the posterior.

    python -m experiments.iterations.run     # a minute on 16 cores; writes table.csv and figure.png

Every (steps, num_iter) is shown, of all budgets, on reported draws: nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.common import Row, digits_prior, interval, options, run, solve

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.problem import measure

HERE = Path(__file__).parent
TASKS = {"box50": 0.05, "supres4x": 0.05}
BUDGETS = (10, 30, 100, 300, 1000)
ITERATIONS = (1, 2, 5, 20, 50)
SOLVERS = ("map_ga_np", "map_ga_d_np")


def cell(asked: Row, *, count: int) -> Iterator[Row]:
    prior, task = digits_prior(ode_steps=8), asked["task"]
    x0 = prior.sample(range(count), seed=0)
    operator = mapga.load_task(task).operator((1, *x0.shape[2:]))
    problem = measure(x0, operator, TASKS[task], seed=0, indices=range(count))
    settings = {"num_iter": asked["num_iter"], "learning_rate_growth": asked["growth"]}
    x, known = solve(asked["solver"], problem, prior, asked["passes"], **settings), exact_posterior(problem, prior)
    found = {"mmse_gap_db": gap_to_mmse(known, x), "mode_gap_nats": gap_to_mode(known, x)}
    for measured, values in found.items():
        yield {"measure": measured} | interval(values.nan_to_num(1e9).clamp(max=1e9))


def figure(rows: list[Row], to: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(2, 4, figsize=(14, 6), sharex=True, sharey=True, layout="constrained")
    for line, task in zip(axes, TASKS, strict=True):
        panels = [(solver, growth) for solver in SOLVERS for growth in ("0.0", "1.0")]
        for axis, (solver, growth) in zip(line, panels, strict=True):
            for n in ITERATIONS:
                of = [r for r in rows if (r["task"], r["solver"], r["growth"]) == (task, solver, growth)]
                of = [r for r in of if r["num_iter"] == str(n) and r["measure"] == "mmse_gap_db"]
                of.sort(key=lambda r: int(r["passes"]))
                x, mean, low, high = ([float(r[k]) for r in of] for k in ("passes", "mean", "low", "high"))
                (drawn,) = axis.plot(x, mean, "o-", ms=3, label=f"{n} a level")
                axis.fill_between(x, low, high, alpha=0.2, color=drawn.get_color())
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
            axis.set(title=f"{task}, {solver}, growth {float(growth):.0f}", xscale="log", ylim=(0, 12))
        line[0].set_ylabel("dB above the least error")
    axes[0, 0].legend(fontsize=7)
    for axis in axes[1]:
        axis.set_xlabel("passes an image")
    shown.savefig(to, dpi=90)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    budgets, count = (BUDGETS[:2], 4) if asked.quick else (BUDGETS, 60)
    cells = [
        {"task": task, "solver": solver, "passes": passes, "growth": growth, "num_iter": n}
        for passes in reversed(budgets)
        for task in TASKS
        for solver in SOLVERS
        for growth in (0.0, 1.0)
        for n in ITERATIONS
        if passes > 2 * n
    ]
    found = run(to / "table.csv", cells, partial(cell, count=count), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
