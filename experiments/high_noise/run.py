"""From little noise to more noise than signal: solvers against the exact posterior's mean and mode.

python -m experiments.high_noise.run     # two minutes on 16 cores; writes table.csv and figure.png beside this file
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from experiments.common import VALIDATION, Row, best, digits_prior, interval, options, run, solve

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.problem import Problem, measure

HERE = Path(__file__).parent
TASKS = ("box50", "supres4x")
NOISES = (0.05, 0.1, 0.2, 0.5, 1.0, 3.0)
PASSES = 100
_STEPS: list[Row] = [{}, {"learning_rate_growth": 1.0}, {"learning_rate_growth": 1.0, "learning_rate": 0.02}]
_ASCENTS: list[Row] = [{"num_iter": n} | step for n in (1, 10) for step in _STEPS]
CANDIDATES: dict[str, list[Row]] = {
    "map_ga": _ASCENTS,
    "map_ga_np": _ASCENTS,
    "map_ga_d_np": _ASCENTS,
    "map_ga_capped": _ASCENTS,
    "map_ga_pgdm": [one | {"r_rule": "data", "sigma_data": 0.2} for one in _ASCENTS],
    "map_gn_fast": [{}],
    "pgdm": [
        {"r_rule": "unit"},
        *({"r_rule": "data", "sigma_data": 0.2, "guidance": g} for g in ("adaptive", "posterior_mean")),
    ],
    "ddrm": [{"eta": 0.5}, {"eta": 0.85}, {"eta": 1.0}],
    "dps": [{"scale": scale} for scale in (0.03, 0.1, 0.3, 1.0)],
    "pinv": [{}],
}


def problem_of(task: str, sigma_y: float, first: int, count: int) -> tuple[Any, Problem]:
    """Truths drawn from the prior, and what is measured of them."""
    indices = range(first, first + count)
    x = digits_prior().sample(indices, seed=0)
    operator = mapga.load_task(task).operator((1, *x.shape[2:]))
    return x, measure(x, operator, sigma_y, seed=0, indices=indices)


def cell(asked: Row, *, count: int, tuned_on: int) -> Iterator[Row]:
    prior, task, sigma_y, name = digits_prior(), asked["task"], asked["sigma_y"], asked["solver"]
    truth, problem = problem_of(task, sigma_y, 0, count)
    known = exact_posterior(problem, prior)
    signal = problem.operator.apply(truth).square().sum() / (count * problem.operator.n_measurements)
    snr = round(10 * float((signal / sigma_y**2).log10()), 1)
    if name in ("mean", "mode"):
        settings: Row = {}
        x = known.mean() if name == "mean" else known.mode.image
    else:
        true, other = problem_of(task, sigma_y, VALIDATION, tuned_on)
        settings = best(
            CANDIDATES[name],
            lambda one: (solve(name, other, prior, PASSES, **one) - true).square().flatten(1).mean(1),
        )
        x = solve(name, problem, prior, PASSES, **settings)
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    found = {"mmse_gap_db": gap_to_mmse(known, x), "mode_gap_nats": gap_to_mode(known, x)}
    found["psnr"] = 10 * (4 / (x - truth).square().flatten(1).mean(1)).log10()
    for measure_, values in found.items():
        yield {"snr_db": snr, "settings": said, "measure": measure_, **interval(values)}


def figure(rows: list[Row], to: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(1, len(TASKS), figsize=(10, 4), sharey=True, layout="constrained")
    for axis, task in zip(axes, TASKS, strict=True):
        for k, name in enumerate(CANDIDATES):
            lines = [r for r in rows if (r["task"], r["solver"], r["measure"]) == (task, name, "mmse_gap_db")]
            lines.sort(key=lambda r: float(r["sigma_y"]))
            x, mean, low, high = ([float(r[key]) for r in lines] for key in ("sigma_y", "mean", "low", "high"))
            (drawn,) = axis.plot(x, mean, label=name, marker="osD^v"[k % 5], markersize=3, linewidth=1)
            axis.fill_between(x, low, high, alpha=0.2, color=drawn.get_color())
        axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
        axis.set(title=task, xlabel="sigma_y", xscale="log", ylim=(-0.3, 15))
    axes[0].set_ylabel("dB above the least possible error")
    axes[1].legend(fontsize=7)
    shown.savefig(to, dpi=110)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    size = {"count": 8, "tuned_on": 4} if asked.quick else {"count": 150, "tuned_on": 40}
    noises, tasks = (NOISES[1:2], TASKS[:1]) if asked.quick else (NOISES, TASKS)
    names = [*CANDIDATES, "mean", "mode"]
    cells = [{"task": t, "sigma_y": s, "solver": n} for n in names for t in tasks for s in noises]
    found = run(to / "table.csv", cells, partial(cell, **size), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
