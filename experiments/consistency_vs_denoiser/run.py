"""What the consistency function buys over the denoiser, and over k Heun steps of it, by the level where one starts.

    python -m experiments.consistency_vs_denoiser.run   # a minute on 16 cores; writes table.csv and figure.png

map_ga_np with D in the place of C; with C by k = 1, 2, 4, 8 Heun steps of D; with C by 32, the ceiling. All with
the same levels and gradient steps, so that better costs more: ``cost`` counts evaluations of D and of its gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

from experiments.common import Row, digits_prior, interval, options, run

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.problem import measure

HERE = Path(__file__).parent
TASKS = {"box50": 0.05, "supres4x": 0.05}
STARTS = (0.5, 2.0, 80.0)
KINDS = ("D", "1", "2", "4", "8", "32")
STEPS = (5, 20)


def cell(asked: Row, *, count: int) -> Iterator[Row]:
    kind, task = asked["kind"], asked["task"]
    prior = digits_prior(ode_steps=1 if kind == "D" else int(kind))
    x0 = prior.sample(range(count), seed=0)
    operator = mapga.load_task(task).operator((1, *x0.shape[2:]))
    problem = measure(x0, operator, TASKS[task], seed=0, indices=range(count))
    solver = mapga.load_solver(
        "map_ga_d_np" if kind == "D" else "map_ga_np",
        steps=asked["steps"],
        sigma_max=asked["start"],
        num_iter=1,
        learning_rate_growth=asked["growth"],
    )
    x, known = solver.restore(problem, prior, 0, batch_size=count), exact_posterior(problem, prior)
    cost = 3 * asked["steps"] * (1 if kind == "D" else 2 * int(kind))
    found = {"mmse_gap_db": gap_to_mmse(known, x), "mode_gap_nats": gap_to_mode(known, x)}
    for measured, values in found.items():
        yield {"cost": cost, "measure": measured} | interval(values.nan_to_num(1e9).clamp(max=1e9))


def figure(rows: list[Row], to: Path) -> None:
    """Solid: the paper's step; dashed: one that grows with the level."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(2, len(STARTS), figsize=(12, 6), sharex=True, sharey=True, layout="constrained")
    for line, task in zip(axes, TASKS, strict=True):
        for axis, start in zip(line, STARTS, strict=True):
            for kind, growth in product(KINDS, ("0.0", "1.0")):
                of = [r for r in rows if (r["task"], float(r["start"]), r["kind"]) == (task, start, kind)]
                of = [r for r in of if (r["growth"], r["measure"]) == (growth, "mmse_gap_db")]
                of.sort(key=lambda r: int(r["cost"]))
                x, mean, low, high = ([float(r[k]) for r in of] for k in ("cost", "mean", "low", "high"))
                name, style = "D" if kind == "D" else f"C, {kind} Heun steps", "-" if growth == "0.0" else "--"
                (drawn,) = axis.plot(x, mean, f"o{style}", ms=3, color=f"C{KINDS.index(kind)}", label=name)
                axis.fill_between(x, low, high, alpha=0.2, color=drawn.get_color())
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
            axis.set(title=f"{task} from sigma = {start:g}", xscale="log", ylim=(0, 12))
        line[0].set_ylabel("dB above the least error")
    axes[0, 0].legend(fontsize=7)
    for axis in axes[1]:
        axis.set_xlabel("evaluations of D, forward and backward")
    shown.savefig(to, dpi=90)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    kinds, count = (KINDS[:2], 4) if asked.quick else (KINDS, 100)
    cells = [
        {"task": task, "start": start, "kind": kind, "steps": steps, "growth": growth}
        for kind in reversed(kinds)
        for growth in (0.0, 1.0)
        for steps in reversed(STEPS)
        for task in TASKS
        for start in STARTS
    ]
    found = run(to / "table.csv", cells, partial(cell, count=count), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
