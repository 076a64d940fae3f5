"""What the consistency function buys over the denoiser, and over k Heun steps of it, by the level where one starts.

    python -m experiments.consistency_vs_denoiser.run   # four core-minutes; writes table.csv and figure.png

map_ga_np with D in the place of C; with C by k = 1, 2, 4, 8 Heun steps of D; with C by 32, the ceiling. All with the
same levels and gradient steps (one a level), so that better costs more: ``cost`` counts evaluations of
D, those of a backward pass as one each.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.common import Row, band, canvas, drawn, interval, of, options, prior_of, run

import mapga
from mapga.posteriors.estimates import gap_to_mmse
from mapga.posteriors.exact import exact_posterior

HERE = Path(__file__).parent
SIGMA_Y = 0.05
PROBLEMS = (("digits", "box50"), ("digits", "supres4x"), ("patches", "box50"))
GROWTH = {
    "digits": 1.0,
    "patches": 0.0,
}  # of the step; grown it is too long for the mean of a natural patch, and diverges
STARTS = (0.5, 2.0, 80.0)
KINDS = ("D", "1", "2", "4", "8", "32")
STEPS = (5, 20)
_LONG = "8"  # most Heun steps on patches, where D costs ten times as much


def cell(asked: Row, *, count: int) -> Iterator[Row]:
    kind = asked["kind"]
    heun = 1 if kind == "D" else int(kind)
    prior = prior_of(asked["prior"], heun)
    _, problem = drawn(asked["prior"], asked["task"], SIGMA_Y, range(count))
    solver = mapga.load_solver(
        "map_ga_d_np" if kind == "D" else "map_ga_np",
        steps=asked["steps"],
        sigma_max=asked["start"],
        num_iter=1,
        learning_rate_growth=GROWTH[asked["prior"]],
    )
    gap = gap_to_mmse(exact_posterior(problem, prior), solver.restore(problem, prior, 0, batch_size=count))
    cost = 3 * asked["steps"] * (1 if kind == "D" else 2 * heun)
    yield {"cost": cost, "images": count} | interval(gap.nan_to_num(1e9).clamp(max=1e9))


def figure(rows: list[Row], to: Path) -> None:
    """Of each kind the two numbers of levels, joined."""
    shown, axes = canvas(len(PROBLEMS), len(STARTS), 11, 8, sharex=True, sharey=True)
    for line, (prior, task) in zip(axes, PROBLEMS, strict=True):
        for axis, start in zip(line, STARTS, strict=True):
            here = of(rows, prior=prior, task=task, start=start)
            for k, kind in enumerate(KINDS):
                label = "D" if kind == "D" else f"C by {kind} Heun steps"
                band(axis, of(here, kind=kind), "cost", label=label, color="k" if kind == "D" else f"C{k - 1}")
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
            axis.set(xscale="log", ylim=(0, 12))
        line[0].set_ylabel(f"{task} of {prior}\ndB above the least error")
    for axis, start in zip(axes[0], STARTS, strict=True):
        axis.set_title(f"from sigma = {start:g}")
    axes[0, 0].legend(fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("evaluations of D, forward and backward")
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    kinds, problems, count = (KINDS[:2], PROBLEMS[::2], 4) if asked.quick else (KINDS, PROBLEMS, 40)
    cells = [
        {"prior": prior, "task": task, "start": start, "kind": kind, "steps": steps}
        for prior, task in problems
        for kind in kinds
        for steps in STEPS
        for start in STARTS
        if prior == "digits" or kind in KINDS[: KINDS.index(_LONG) + 1]
    ]
    found = run(to / "table.csv", cells, partial(cell, count=count), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
