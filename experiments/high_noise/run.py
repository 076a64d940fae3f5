"""From little noise to more noise than signal: solvers against the exact posterior's mean and mode.

python -m experiments.high_noise.run     # six core-minutes; writes table.csv and figure.png beside this file
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from experiments.common import (
    LEARNED,
    NETWORK,
    NETWORKS,
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
    solve,
)
from torch import Tensor

from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.posteriors.exact import Exact
from mapga.problem import Problem

HERE = Path(__file__).parent
PROBLEMS = (
    ("digits", "box50"),
    ("digits", "supres4x"),
    ("patches", "box50"),
    (LEARNED, "box50"),
    (NETWORK, "box50"),
)
NOISES = (0.05, 0.2, 0.5, 1.0, 3.0)
SOME = (0.05, 0.5, 3.0)  # for networks, which cost most
ODE_STEPS = 8
PRIORS = {  # passes, draws: reported, chosen on
    "digits": (100, 48, 20),
    "patches": (100, 48, 20),
    LEARNED: (50, 24, 4),
    NETWORK: (20, 24, 4),
}
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
THROUGH_D: dict[str, list[Row]] = {  # on patches, where the flow of C wants a hundred steps
    "map_ga_d": _ASCENTS,
    "map_ga_d_capped": _ASCENTS,
    "map_ga_d_annealed": [{"num_iter": 1}],
    "map_ga_pgdm_d": [one | _DATA for one in _ASCENTS],
}
CANDIDATES: dict[str, list[Row]] = {
    "map_ga_d_np": _ASCENTS,
    "map_gn_fast": [{}, {"push": 0.5}],
    "pgdm": [{"r_rule": "unit"}, *(_DATA | {"guidance": g} for g in ("adaptive", "posterior_mean"))],
    "ddrm": [{"eta": 0.5}, {"eta": 0.85}, {"eta": 1.0}],
    "dps": [{"scale": scale} for scale in (0.03, 0.1, 0.3, 1.0)],
    "pinv": [{}],
    **THROUGH_C,
    **THROUGH_D,
}
KNOWN = ("mean", "mode")  # what the exact posterior itself answers


@cache
def reported(prior: str, task: str, sigma_y: float, count: int) -> tuple[Tensor, Problem, Exact | None]:
    """Truths, what is measured of them, and their posterior if it is known, whose modes cost more than most solvers."""
    truth, problem = drawn(prior, task, sigma_y, range(count))
    return truth, problem, None if prior == NETWORK else posterior_of(prior, problem)


def cell(asked: Row, *, quick: bool) -> Iterator[Row]:
    of_prior, task, sigma_y, name = asked["prior"], asked["task"], asked["sigma_y"], asked["solver"]
    passes, count, tuned_on = (100, 8, 4) if quick else PRIORS[of_prior]
    prior = prior_of(of_prior, ODE_STEPS)
    truth, problem, known = reported(of_prior, task, sigma_y, count)
    signal = problem.operator.apply(truth).square().sum() / (count * problem.operator.n_measurements)
    snr = round(10 * float((signal / sigma_y**2).log10()), 1)
    if name in KNOWN:
        assert known is not None
        settings: Row = {}
        x = known.mean() if name == "mean" else known.mode.image
    else:
        settings = CANDIDATES[name][0]
        if len(CANDIDATES[name]) > 1:
            true, other = drawn(of_prior, task, sigma_y, range(VALIDATION, VALIDATION + tuned_on))
            settings = best(
                CANDIDATES[name],
                lambda one: (solve(name, other, prior, passes, **one) - true).square().flatten(1).mean(1),
            )
        x = solve(name, problem, prior, passes, **settings)
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    found = {"psnr": 10 * (4 / (x - truth).square().flatten(1).mean(1)).log10().nan_to_num(0.0)}
    if known is not None:
        found |= {"mmse_gap_db": gap_to_mmse(known, x.double()), "mode_gap_nats": gap_to_mode(known, x.double())}
    for measured, values in found.items():
        yield {"snr_db": snr, "settings": said, "measure": measured} | interval(values)


def solvers_on(prior: str) -> list[str]:
    """Those that are run, the exact posterior's own answers last."""
    left_out = {*THROUGH_C} if prior == "patches" else {*THROUGH_D}
    if prior == NETWORK:
        left_out |= {"map_ga_capped", "map_ga_annealed", "map_ga_pgdm"}
    return [name for name in CANDIDATES if name not in left_out] + list(() if prior == NETWORK else KNOWN)


def figure(rows: list[Row], to: Path) -> None:
    shown, axes = canvas(2, 3, 13.5, 8.4)
    for axis, (prior, task) in zip(axes.flat, PROBLEMS, strict=False):
        here = of(rows, prior=prior, task=task, measure="psnr" if prior == NETWORK else "mmse_gap_db")
        for k, name in enumerate(CANDIDATES):
            style = {"marker": "osD^v"[k % 5], "color": f"C{k}", "linestyle": "-" if k < 10 else "-."}  # ten colours
            band(axis, of(here, solver=name), "sigma_y", label=name, **style)
        mode = {"color": "k", "linestyle": "--", "marker": ""}
        band(axis, of(here, solver="mode"), "sigma_y", label="the posterior's mode", **mode)
        snr = {row["sigma_y"]: float(row["snr_db"]) for row in here}
        axis.set(xscale="log", title=f"{task} of {prior}", xlabel="noise sigma_y (measurement SNR)")
        if prior == NETWORK:
            axis.set(ylabel="PSNR, dB", ylim=(0, 20))
        else:
            axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
            axis.set_ylim(-0.2, 8)
        axis.set_xticks([float(s) for s in snr], [f"{float(s):g}\n({snr[s]:.0f} dB)" for s in snr], minor=False)
        axis.minorticks_off()
    for axis in (axes[0, 0], axes[1, 0]):
        axis.set_ylabel("dB above the least possible squared error\n(dotted: an exact sample)")
    axes[-1, -1].axis("off")
    axes[-1, -1].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", fontsize=9)
    shown.savefig(to, dpi=90)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    noises, problems = (NOISES[1:2], PROBLEMS[:3:2]) if asked.quick else (NOISES, PROBLEMS)
    cells = [
        {"prior": prior, "task": task, "sigma_y": sigma_y, "solver": name}
        for prior, task in problems
        for sigma_y in (SOME if prior in NETWORKS else noises)
        for name in solvers_on(prior)
    ]
    found = run(to / "table.csv", cells, partial(cell, quick=asked.quick), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
