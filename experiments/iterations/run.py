"""How to spend network passes on levels and on gradient steps at each, and what more passes buy, against the posterior.

    python -m experiments.iterations.run     # four core-minutes; writes table.csv and figure.png

Every (steps, num_iter) is shown, of all budgets, on reported draws: nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.common import Row, band, canvas, drawn, interval, of, options, prior_of, run, solve

from mapga.posteriors.estimates import gap_to_mmse
from mapga.posteriors.exact import exact_posterior

HERE = Path(__file__).parent
SIGMA_Y, ODE_STEPS = 0.05, 8
PANELS = (  # prior, task, solver, the most passes
    ("digits", "box50", "map_ga_np", 300),
    ("digits", "box50", "map_ga_d_np", 1000),
    ("digits", "supres4x", "map_ga_d_np", 1000),
    ("patches", "box50", "map_ga_d_np", 300),
)
BUDGETS = (10, 30, 100, 300, 1000)
ITERATIONS = (1, 2, 5, 20, 50)
_TOP = 12  # dB, of the figure


def cell(asked: Row, *, count: int) -> Iterator[Row]:
    prior = prior_of(asked["prior"], ODE_STEPS)
    _, problem = drawn(asked["prior"], asked["task"], SIGMA_Y, range(count))
    settings = {"num_iter": asked["num_iter"], "learning_rate_growth": asked["growth"]}
    x = solve(asked["solver"], problem, prior, asked["passes"], **settings)
    gap = gap_to_mmse(exact_posterior(problem, prior), x)
    yield {"images": count} | interval(gap.nan_to_num(1e9).clamp(max=1e9))


def figure(rows: list[Row], to: Path) -> None:
    shown, axes = canvas(2, len(PANELS), 13, 6, sharex=True, sharey=True)
    for column, (prior, task, solver, _) in enumerate(PANELS):
        for axis, growth in zip(axes[:, column], (0.0, 1.0), strict=True):
            here = of(rows, prior=prior, task=task, solver=solver, growth=growth)
            for n in ITERATIONS:
                band(axis, of(here, num_iter=n), "passes", label=f"{n} gradient step{'s' * (n > 1)} a level")
            if all(float(row["mean"]) > _TOP for row in here):
                axis.text(0.5, 0.5, "diverges", ha="center", transform=axis.transAxes)
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
            axis.set(xscale="log", ylim=(0, _TOP))
        axes[0, column].set_title(f"{task} of {prior}\n{solver}")
        axes[1, column].set_xlabel("passes an image")
    axes[0, 0].set_ylabel("the paper's step\ndB above the least error")
    axes[1, 0].set_ylabel("step grown with the level\ndB above the least error")
    axes[0, 0].legend(fontsize=7)
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    panels, most, count = (PANELS[1:2], 30, 4) if asked.quick else (PANELS, BUDGETS[-1], 24)
    cells = [
        {"prior": prior, "task": task, "solver": solver, "passes": passes, "growth": growth, "num_iter": n}
        for prior, task, solver, end in panels
        for passes in BUDGETS
        for growth in (0.0, 1.0)
        for n in ITERATIONS
        if 2 * n < passes <= min(end, most)
    ]
    found = run(to / "table.csv", cells, partial(cell, count=count), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
