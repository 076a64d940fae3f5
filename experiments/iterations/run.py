"""How to spend network passes on levels and on gradient steps at each, and what more passes buy, against the posterior.

    python -m experiments.iterations.run     # a quarter of a core-hour; writes table.csv and figure.png

Every (steps, num_iter) is shown, of all budgets, on reported draws: nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.common import (
    LEARNED,
    NETWORK,
    Row,
    band,
    canvas,
    drawn,
    interval,
    of,
    options,
    prior_of,
    run,
    scored,
    solve,
)

HERE = Path(__file__).parent
SIGMA_Y, ODE_STEPS = 0.05, 8
PANELS = (  # prior, task, solver, the most passes
    ("digits", "box50", "map_ga_np", 300),
    ("digits", "box50", "map_ga_d_np", 1000),
    ("digits", "supres4x", "map_ga_d_np", 1000),
    ("patches", "box50", "map_ga_d_np", 300),
    (NETWORK, "box50", "map_ga_np", 30),
    (NETWORK, "box50", "map_ga_d_np", 30),
    (LEARNED, "box50", "map_ga_np", 30),
    (LEARNED, "box50", "map_ga_d_np", 100),
)
COUNTS = {"digits": 24, "patches": 24, LEARNED: 32, NETWORK: 24}
BUDGETS = (10, 30, 100, 300, 1000)
ITERATIONS = (1, 2, 5, 20, 50)
_MOST = {LEARNED: 2, NETWORK: 2}  # gradient steps a level, for networks, which cost most
_TOP, _PSNR = 12, (6, 18)  # dB, of the figure


def cell(asked: Row, *, few: bool) -> Iterator[Row]:
    name, count = asked["prior"], 4 if few else COUNTS[asked["prior"]]
    truth, problem = drawn(name, asked["task"], SIGMA_Y, range(count))
    settings = {"num_iter": asked["num_iter"], "learning_rate_growth": asked["growth"]}
    x = solve(asked["solver"], problem, prior_of(name, ODE_STEPS), asked["passes"], **settings)
    for measured, values in scored(name, problem, x, truth).items():
        yield {"measure": measured, "images": count} | interval(values)


def figure(rows: list[Row], to: Path) -> None:
    """Of each panel a column: above with the paper's step, below with one that grows with the level."""
    shown, axes = canvas(2, len(PANELS), 20, 6, sharex=True)
    for column, (prior, task, solver, _) in zip(axes.T, PANELS, strict=True):
        measured = "psnr" if prior == NETWORK else "mmse_gap_db"
        for axis, growth in zip(column, (0.0, 1.0), strict=True):
            here = of(rows, prior=prior, task=task, solver=solver, growth=growth, measure=measured)
            for n in ITERATIONS:
                band(axis, of(here, num_iter=n), "passes", label=f"{n} gradient step{'s' * (n > 1)} a level")
            axis.set_xscale("log")
            if prior == NETWORK:
                axis.set(ylabel="PSNR, dB", ylim=_PSNR)
                continue
            if all(float(row["mean"]) > _TOP for row in here):
                axis.text(0.5, 0.5, "diverges", ha="center", transform=axis.transAxes)
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
            axis.set_ylim(0, _TOP)
        column[0].set_title(f"{task} of {prior}\n{solver}")
        column[1].set_xlabel("passes an image")
    axes[0, 0].set_ylabel("the paper's step\ndB above the least error")
    axes[1, 0].set_ylabel("step grown with the level\ndB above the least error")
    axes[0, 0].legend(fontsize=7)
    shown.savefig(to, dpi=80)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    panels, most = (PANELS[1:2], 30) if asked.quick else (PANELS, BUDGETS[-1])
    cells = [
        {"prior": prior, "task": task, "solver": solver, "passes": passes, "growth": growth, "num_iter": n}
        for prior, task, solver, end in panels
        for passes in BUDGETS
        for growth in (0.0, 1.0)
        for n in ITERATIONS
        if 2 * n < passes <= min(end, most) and n <= _MOST.get(prior, n)
    ]
    found = run(to / "table.csv", cells, partial(cell, few=asked.quick), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
