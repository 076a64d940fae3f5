"""MAP-GA with its prior term, without it, capped and annealed, over the noise in y: exact denoisers, and a network.

python -m experiments.prior_term.run     # ten core-minutes; writes table.csv and figure.png
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.common import (
    NETWORK,
    Row,
    band,
    canvas,
    drawn,
    interval,
    of,
    options,
    prior_of,
    psnr,
    run,
    solve,
)
from torch import Tensor

from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.posteriors.exact import exact_posterior

HERE = Path(__file__).parent
TASK, ABSURD = "box50", 10.0
KINDS: dict[str, Row] = {
    "paper": {},
    "none": {"use_prior": False},
    "capped": {"prior_weight": "capped"},
    "annealed": {"prior_weight": "annealed"},
}
NOISES = {
    "digits": (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    "patches": (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.3),
    NETWORK: (0.02, 0.05, 0.1),
}
PRIORS = {  # solver, passes, images; exact priors at 16x16, the network at 32x32
    "digits": ("map_ga", 150, 60),
    "patches": ("map_ga_d", 100, 24),
    NETWORK: ("map_ga_d", 60, 32),
}


def cell(asked: Row, *, quick: bool) -> Iterator[Row]:
    sigma_y, name = asked["sigma_y"], asked["prior"]
    solver, passes, count = (PRIORS[name][0], 8, 3) if quick else PRIORS[name]
    prior = prior_of(name)
    truth, problem = drawn(name, TASK, sigma_y, range(count))
    x = solve(solver, problem, prior, passes, num_iter=1, **KINDS[asked["term"]])
    lost = ~(x.abs().flatten(1).amax(1) <= ABSURD)
    kept = (~lost).nonzero()[:, 0]
    found: dict[str, Tensor] = {"diverged": lost.double()}
    found["psnr"] = psnr(x, truth)[kept]
    if name != NETWORK:
        known = exact_posterior(problem, prior)
        found |= {"mmse_gap_db": gap_to_mmse(known, x)[kept], "mode_gap_nats": gap_to_mode(known, x)[kept]}
    for measured, values in found.items():
        numbers = interval(values) if len(values) else {"mean": "", "low": "", "high": ""}
        yield {
            "weight": round(1 + sigma_y**2 / prior.sigma_min**2, 1),
            "measure": measured,
            "images": len(values),
        } | numbers


def figure(rows: list[Row], to: Path) -> None:
    """Above how good, of the images that did not diverge; below how many did."""
    quality = {
        "digits": ("mode_gap_nats", "nats below the mode"),
        "patches": ("mode_gap_nats", "nats below the mode"),
        NETWORK: ("psnr", "PSNR, dB"),
    }
    shown, axes = canvas(2, 3, 12, 5.6, sharex="col", height_ratios=(2, 1))
    for (above, below), (prior, (measured, label)) in zip(axes.T, quality.items(), strict=True):
        for k, term in enumerate(KINDS):
            here = [row for row in of(rows, prior=prior, term=term) if float(row["sigma_y"]) > 0]
            style = {"color": f"C{k}", "label": f"prior term: {term}", "marker": "os^v"[k]}
            band(above, of(here, measure=measured), "sigma_y", **style)
            band(below, of(here, measure="diverged"), "sigma_y", **style)
        above.set(title=f"{prior}, {PRIORS[prior][0]}", ylabel=label, xscale="log")
        below.set(xlabel="noise sigma_y", ylim=(-0.05, 1.05))
        if measured == "mode_gap_nats":
            above.set_yscale("log")
    axes[1, 0].set_ylabel("share diverged")
    axes[0, 0].legend(fontsize=8)
    shown.savefig(to, dpi=110)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    cells = [
        {"prior": prior, "term": term, "sigma_y": sigma_y}
        for prior, noises in NOISES.items()
        for sigma_y in (noises[-2:] if asked.quick else noises)
        for term in KINDS
        if (prior, sigma_y) not in {("digits", 0.15), ("digits", 0.25)} or term == "paper"  # where it begins to diverge
    ]
    found = run(to / "table.csv", cells, partial(cell, quick=asked.quick), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
