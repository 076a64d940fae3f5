"""MAP-GA with its prior term, without it, and with it capped, over the noise in y: an exact denoiser, and a network.

python -m experiments.prior_term.run     # a minute on 16 cores and a GPU; writes table.csv and figure.png
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from experiments.common import Row, digits_prior, interval, options, run, solve
from torch import Tensor

import mapga
from mapga.posteriors import exact_posterior
from mapga.posteriors.estimates import gap_to_mmse, gap_to_mode
from mapga.problem import measure

HERE = Path(__file__).parent
NOISES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3)
SOLVERS = {"exact": ("map_ga", "map_ga_np", "map_ga_capped"), "network": ("map_ga_d", "map_ga_d_np", "map_ga_d_capped")}
TASK, PASSES, ABSURD = "box50", 150, 10.0


def cell(asked: Row, *, count: int, passes: int, device: str) -> Iterator[Row]:
    sigma_y, name = asked["sigma_y"], asked["solver"]
    task = mapga.load_task(TASK, sigma_y=sigma_y)
    if asked["prior"] == "exact":
        prior = digits_prior()
        truth = prior.sample(range(count), seed=0)
        problem = measure(truth, task.operator((1, *truth.shape[2:])), sigma_y, seed=0, indices=range(count))
    else:
        prior = mapga.load_prior("mnist").to(device, torch.float32)
        truth = mapga.load_images("mnist", limit=count).to(device)
        problem = task.measure(truth, seed=0)
    x = solve(name, problem, prior, passes, num_iter=1)
    lost = ~(x.abs().flatten(1).amax(1) <= ABSURD)
    kept = slice(None) if not lost.any() else (~lost).nonzero()[:, 0]
    weight = round(1 + sigma_y**2 / prior.sigma_min**2, 1)
    found: dict[str, Tensor] = {"diverged": lost.double()}
    found["psnr"] = 10 * (4 / (x.clamp(-1, 1) - truth).square().flatten(1).mean(1)).log10()[kept]
    if asked["prior"] == "exact":
        known = exact_posterior(problem, prior)
        found |= {"mmse_gap_db": gap_to_mmse(known, x)[kept], "mode_gap_nats": gap_to_mode(known, x)[kept]}
    for name, values in found.items():
        numbers = interval(values) if len(values) else {"mean": "", "low": "", "high": ""}
        yield {"weight": weight, "measure": name, "images": len(values)} | numbers


def figure(rows: list[Row], to: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    panels = [(prior, measured) for prior in SOLVERS for measured in ("mode_gap_nats", "psnr", "diverged")]
    panels = [panel for panel in panels if any((r["prior"], r["measure"]) == panel for r in rows)]
    shown, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4), layout="constrained")
    for axis, (prior, measured) in zip(axes, panels, strict=True):
        for solver in SOLVERS[prior]:
            lines = [
                r for r in rows if (r["prior"], r["solver"], r["measure"]) == (prior, solver, measured) and r["mean"]
            ]
            lines.sort(key=lambda r: float(r["sigma_y"]))
            x, mean, low, high = ([float(r[k]) for r in lines] for k in ("weight", "mean", "low", "high"))
            (drawn,) = axis.plot(x, mean, "o-", ms=3, label=solver)
            axis.fill_between(x, low, high, alpha=0.2, color=drawn.get_color())
        axis.set(
            xscale="log", xlabel="weight of the prior term, 1 + sigma_y^2 / sigma_eps^2", title=f"{prior}: {measured}"
        )
        axis.legend(fontsize=8)
    axes[0].set_yscale("symlog")
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    noises, count, passes = (NOISES[-2:], 3, 8) if asked.quick else (NOISES, 60, PASSES)
    for prior, names in SOLVERS.items():
        cells = [{"prior": prior, "solver": name, "sigma_y": s} for name in names for s in noises]
        jobs = 1 if prior == "network" else asked.jobs
        found = run(to / "table.csv", cells, partial(cell, count=count, passes=passes, device=asked.device), jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
