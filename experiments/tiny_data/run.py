"""Inpainting with random masks, drawn for each image, and a prior that saw 100, 500 or 4,500 digits.

    python -m experiments.tiny_data.run      # three core-minutes; writes widths.csv, table.csv and figure.png
    python -m experiments.tiny_data.run --dataset imagenet64 --to FOLDER

The prior is a Gaussian around each of N training digits, exact as it is, of the width likeliest for validation digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import torch
from experiments.common import Data, Row, band, canvas, interval, of, options, run, small_digits
from experiments.each import Each
from torch import Tensor

import mapga
from mapga.operators import Diagonal
from mapga.posteriors.exact import exact_posterior
from mapga.priors import MixturePrior
from mapga.problem import Problem, measure
from mapga.rng import generator

HERE = Path(__file__).parent
SIZES, MISSING = (100, 500, 4500), (0.3, 0.6, 0.9)
REPORTED, VALIDATING = 40, 100  # images
WIDTHS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
SOLVERS: dict[str, Row] = {  # 60 passes or so
    "map_ga_np": {"steps": 20, "num_iter": 1, "learning_rate_growth": 1.0},
    "map_ga_d_np": {"steps": 20, "num_iter": 1, "learning_rate_growth": 1.0},
    "pgdm": {"steps": 30},
    "pinv": {},
}
EXACT = "posterior mean"
ODE_STEPS = 8


def pictures(part: str, limit: int | None, data: Data) -> Tensor:
    """Digits of a split; of another dataset its first images are reported, the next validate, the rest are seen."""
    if not data.dataset:
        return small_digits(part, limit)
    skip = {"test": 0, "validation": REPORTED, "train": REPORTED + VALIDATING}[part]
    return data.images(SIZES[-1] if limit is None else limit, skip)


@cache
def prior_of(size: int, std: float, data: Data) -> MixturePrior:
    seen = pictures("train", size if data.dataset else None, data)
    return MixturePrior.from_images(seen, std, size, ode_steps=ODE_STEPS)


def widths(asked: Row, *, count: int, data: Data) -> Iterator[Row]:
    """Mean log density of validation images, nats a pixel."""
    x = pictures("validation", count, data)
    known = prior_of(asked["size"], asked["std"], data).log_density(x, 0.002)
    yield {"measure": "nats_a_pixel"} | interval(known / x[0].numel(), 4)


def mask(index: int, missing: float, shape: tuple[int, int, int]) -> Diagonal:
    """As many pixels as that are missing of an image, chosen by its index."""
    _, height, width = shape
    gone = generator(0, "mask", index).permutation(height * width)[: round(missing * height * width)]
    seen = torch.ones(height * width)
    seen[torch.from_numpy(gone)] = 0
    return Diagonal(seen.reshape(height, width), shape)


def posterior_mean(problem: Problem, prior: MixturePrior) -> Tensor:
    """Of every image, through its own mask."""
    assert isinstance(problem.operator, Each)
    parts = zip(problem.operator.operators, problem.y.split(1), strict=True)
    return torch.cat([exact_posterior(Problem(y, operator, 0.0), prior).mean() for operator, y in parts])


def cell(asked: Row, *, count: int, std: dict[int, float], data: Data) -> Iterator[Row]:
    prior, name = prior_of(asked["size"], std[asked["size"]], data), asked["solver"]
    truth = pictures("test", count, data)
    operator = Each([mask(index, asked["missing"], prior.image_shape) for index in range(count)])
    problem = measure(truth, operator, 0.0, seed=0, indices=range(count))
    if name == EXACT:
        x = posterior_mean(problem, prior)
    else:
        x = mapga.load_solver(name, **SOLVERS[name]).restore(problem, prior, batch_size=count)
    error = (x.clamp(-1, 1) - truth).square()
    hidden = ~torch.cat([one.measured for one in operator.operators])
    yield {"measure": "psnr"} | interval(10 * (4 / error.flatten(1).mean(1)).log10(), 2)
    rms = ((error * hidden).flatten(1).sum(1) / hidden.flatten(1).sum(1)).sqrt()
    yield {"measure": "rms_error_of_hidden"} | interval(rms)


def figure(rows: list[Row], to: Path) -> None:
    shown, axes = canvas(1, len(MISSING), 11, 3.8, sharey=True)
    for axis, missing in zip(axes[0], MISSING, strict=True):
        for k, name in enumerate(name for name in (*SOLVERS, EXACT) if name != "pinv"):
            here = of(rows, missing=missing, solver=name, measure="rms_error_of_hidden")
            style = {"color": "k", "linestyle": "--"} if name == EXACT else {"color": f"C{k}"}
            band(axis, here, "size", label=name, marker="osD^v"[k], **style)
        (without,) = {row["mean"] for row in of(rows, missing=missing, solver="pinv", measure="rms_error_of_hidden")}
        title = f"{100 * missing:.0f} % missing (no prior: {float(without):.2f})"
        axis.set(title=title, xscale="log", ylim=(0.15, 0.65), xlabel="digits that the prior saw")
        axis.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("rms error of hidden pixels")
    axes[0, 0].legend(fontsize=8)
    shown.savefig(to, dpi=110)


if __name__ == "__main__":
    asked = options(data="its first 40 images are reported, the next 100 choose the width, the rest are seen")
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    sizes, missing, count = (SIZES[:1], MISSING[:1], 2) if asked.quick else (SIZES, MISSING, REPORTED)
    of_widths = [{"size": n, "std": s} for n in sizes for s in WIDTHS]
    tried = run(
        to / "widths.csv",
        of_widths,
        partial(widths, count=5 if asked.quick else VALIDATING, data=asked.data),
        asked.jobs,
    )
    std = {n: float(max(of(tried, size=n), key=lambda row: float(row["mean"]))["std"]) for n in sizes}
    cells = [{"size": n, "missing": m, "solver": name} for n in sizes for name in (*SOLVERS, EXACT) for m in missing]
    found = run(to / "table.csv", cells, partial(cell, count=count, std=std, data=asked.data), asked.jobs)
    if not asked.quick and not asked.dataset:
        figure(found, to / "figure.png")
