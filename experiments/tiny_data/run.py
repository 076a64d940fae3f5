"""Inpainting with random masks, drawn for each image, and a prior that saw 100, 500 or 4,500 digits.

    python -m experiments.tiny_data.run      # two minutes on 16 cores; writes table.csv, widths.csv and figure.png

The prior is a Gaussian around each of N training digits, exact as it is, of the width likeliest for validation digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from experiments.common import Row, interval, options, run
from torch import Tensor

import mapga
from mapga.operators import Diagonal
from mapga.posteriors import exact_posterior
from mapga.priors import MixturePrior
from mapga.problem import measure
from mapga.rng import generator

HERE = Path(__file__).parent
SIZES, MISSING, WIDTHS = (100, 500, 4500), (0.3, 0.6, 0.9), (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
SOLVERS: dict[str, Row] = {
    "map_ga_np": {"steps": 20, "num_iter": 1, "learning_rate_growth": 1.0},
    "map_ga_d_np": {"steps": 33, "num_iter": 1, "learning_rate_growth": 1.0},
    "pgdm": {"steps": 50},
    "pinv": {},
    "posterior mean": {},
}


def digits(split: str, limit: int | None) -> Tensor:
    images = mapga.load_images("mnist", split=split, limit=limit, dtype=torch.float64)
    return torch.Tensor.as_subclass(images, Tensor)


def prior_of(size: int, std: float) -> MixturePrior:
    return MixturePrior.from_images(digits("train", None), std, size, ode_steps=8)


def widths(asked: Row) -> Iterator[Row]:
    """Mean log density of validation digits, nats a pixel."""
    density = prior_of(asked["size"], asked["std"]).log_density(digits("validation", 100), 0.002) / 1024
    yield {"measure": "nats_a_pixel"} | interval(density, 4)


def mask(index: int, missing: float) -> Diagonal:
    """As many pixels as that are missing of an image, chosen by its index."""
    gone = generator(0, "mask", index).permutation(1024)[: round(missing * 1024)]
    seen = torch.ones(1024)
    seen[torch.from_numpy(gone)] = 0
    return Diagonal(seen.reshape(32, 32), (1, 32, 32))


def cell(asked: Row, *, count: int, std: dict[int, float]) -> Iterator[Row]:
    prior, name = prior_of(asked["size"], std[asked["size"]]), asked["solver"]
    psnr, hidden = [], []
    for index, truth in enumerate(digits("test", count)):
        operator = mask(index, asked["missing"])
        problem = measure(truth[None], operator, 0.0, seed=0, indices=[index])
        if name == "posterior mean":
            x = exact_posterior(problem, prior).mean()
        else:
            x = mapga.load_solver(name, **SOLVERS[name]).restore(problem, prior)
        error = (x.clamp(-1, 1) - truth).square()
        psnr.append(10 * float((4 / error.mean()).log10()))
        hidden.append(float(error[~operator.measured].mean().sqrt()))
    yield {"measure": "psnr"} | interval(psnr, 2)
    yield {"measure": "rms_error_of_hidden"} | interval(hidden)


def figure(rows: list[Row], to: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(1, len(MISSING), figsize=(12, 4), sharey=True, layout="constrained")
    for axis, missing in zip(axes, MISSING, strict=True):
        for name in SOLVERS:
            of = [r for r in rows if (r["solver"], float(r["missing"]), r["measure"]) == (name, missing, "psnr")]
            of.sort(key=lambda r: int(r["size"]))
            x, mean, low, high = ([float(r[k]) for r in of] for k in ("size", "mean", "low", "high"))
            (drawn,) = axis.plot(x, mean, "o-", ms=3, label=name)
            axis.fill_between(x, low, high, alpha=0.2, color=drawn.get_color())
        axis.set(title=f"{100 * missing:.0f} % missing", xscale="log", xlabel="digits that the prior saw")
    axes[0].set_ylabel("PSNR, dB")
    axes[0].legend(fontsize=7)
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    sizes, missing, count = (SIZES[:1], MISSING[:1], 2) if asked.quick else (SIZES, MISSING, 40)
    tried = run(to / "widths.csv", [{"size": n, "std": s} for n in sizes for s in WIDTHS], widths, asked.jobs)
    std = {
        n: float(max((r for r in tried if int(r["size"]) == n), key=lambda r: float(r["mean"]))["std"]) for n in sizes
    }
    cells = [{"size": n, "missing": m, "solver": name} for n in reversed(sizes) for name in SOLVERS for m in missing]
    found = run(to / "table.csv", cells, partial(cell, count=count, std=std), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
