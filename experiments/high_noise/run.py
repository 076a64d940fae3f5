"""From little noise to more noise than signal: solvers against the exact posterior's mean and mode.

python -m experiments.high_noise.run     # six core-minutes; writes table.csv and figure.png beside this file
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from experiments.common import VALIDATION, Row, band, best, canvas, drawn, interval, of, options, prior_of, run, solve
from torch import Tensor

from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.posteriors.exact import Exact, exact_posterior
from mapga.problem import Problem

HERE = Path(__file__).parent
PROBLEMS = (("digits", "box50"), ("digits", "supres4x"), ("patches", "box50"))
NOISES = (0.05, 0.2, 0.5, 1.0, 3.0)
PASSES, ODE_STEPS = 100, 8
_GROWN: Row = {"num_iter": 1, "learning_rate_growth": 1.0}
_ASCENTS: list[Row] = [{"num_iter": 1}, _GROWN, _GROWN | {"learning_rate": 0.02}]
_DATA: Row = {"r_rule": "data", "sigma_data": 0.2}
THROUGH_C: dict[str, list[Row]] = {
    "map_ga": _ASCENTS,
    "map_ga_capped": _ASCENTS,
    "map_ga_annealed": [{"num_iter": 1}],
    "map_ga_np": _ASCENTS,
    "map_ga_pgdm": [one | _DATA for one in _ASCENTS],
}
CANDIDATES: dict[str, list[Row]] = {
    "map_ga_d_np": _ASCENTS,
    "map_gn_fast": [{}, {"push": 0.5}],
    "pgdm": [{"r_rule": "unit"}, *(_DATA | {"guidance": g} for g in ("adaptive", "posterior_mean"))],
    "ddrm": [{"eta": 0.5}, {"eta": 0.85}, {"eta": 1.0}],
    "dps": [{"scale": scale} for scale in (0.03, 0.1, 0.3, 1.0)],
    "pinv": [{}],
    **THROUGH_C,
}
KNOWN = ("mean", "mode")  # what the exact posterior itself answers


@cache
def reported(prior: str, task: str, sigma_y: float, count: int) -> tuple[Tensor, Problem, Exact]:
    """Truths, what is measured of them, and their posterior, whose modes cost more than most solvers."""
    truth, problem = drawn(prior, task, sigma_y, range(count))
    return truth, problem, exact_posterior(problem, prior_of(prior, ODE_STEPS))


def cell(asked: Row, *, count: int, tuned_on: int) -> Iterator[Row]:
    prior, task, sigma_y, name = prior_of(asked["prior"], ODE_STEPS), asked["task"], asked["sigma_y"], asked["solver"]
    truth, problem, known = reported(asked["prior"], task, sigma_y, count)
    signal = problem.operator.apply(truth).square().sum() / (count * problem.operator.n_measurements)
    snr = round(10 * float((signal / sigma_y**2).log10()), 1)
    if name in KNOWN:
        settings: Row = {}
        x = known.mean() if name == "mean" else known.mode.image
    else:
        true, other = drawn(asked["prior"], task, sigma_y, range(VALIDATION, VALIDATION + tuned_on))
        settings = CANDIDATES[name][0]
        if len(CANDIDATES[name]) > 1:
            settings = best(
                CANDIDATES[name],
                lambda one: (solve(name, other, prior, PASSES, **one) - true).square().flatten(1).mean(1),
            )
        x = solve(name, problem, prior, PASSES, **settings)
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    found = {"mmse_gap_db": gap_to_mmse(known, x), "mode_gap_nats": gap_to_mode(known, x)}
    found["psnr"] = 10 * (4 / (x - truth).square().flatten(1).mean(1)).log10()
    for measured, values in found.items():
        yield {"snr_db": snr, "settings": said, "measure": measured} | interval(values)


def figure(rows: list[Row], to: Path) -> None:
    shown, axes = canvas(1, len(PROBLEMS), 13.5, 4.2, sharey=True)
    for axis, (prior, task) in zip(axes[0], PROBLEMS, strict=True):
        here = of(rows, prior=prior, task=task, measure="mmse_gap_db")
        for k, name in enumerate(CANDIDATES):
            style = {"marker": "osD^v"[k % 5], "color": f"C{k}", "linestyle": "-" if k < 10 else "-."}  # ten colours
            band(axis, of(here, solver=name), "sigma_y", label=name, **style)
        band(
            axis, of(here, solver="mode"), "sigma_y", label="the posterior's mode", color="k", linestyle="--", marker=""
        )
        axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
        snr = {row["sigma_y"]: float(row["snr_db"]) for row in here}
        axis.set(xscale="log", ylim=(-0.2, 8), title=f"{task} of {prior}", xlabel="noise sigma_y (measurement SNR)")
        axis.set_xticks([float(s) for s in snr], [f"{float(s):g}\n({snr[s]:.0f} dB)" for s in snr], minor=False)
        axis.minorticks_off()
    axes[0, 0].set_ylabel("dB above the least possible squared error\n(dotted: an exact sample)")
    shown.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    shown.savefig(to, dpi=110)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    size = {"count": 8, "tuned_on": 4} if asked.quick else {"count": 48, "tuned_on": 20}
    noises, problems = (NOISES[1:2], PROBLEMS[::2]) if asked.quick else (NOISES, PROBLEMS)
    cells = [
        {"prior": prior, "task": task, "sigma_y": sigma_y, "solver": name}
        for name in (*CANDIDATES, *KNOWN)
        for prior, task in problems
        for sigma_y in noises
        if prior == "digits" or name not in THROUGH_C
    ]
    found = run(to / "table.csv", cells, partial(cell, **size), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
