"""Inpainting with random masks, drawn for each image, and a prior that saw 100, 500 or 4,500 digits or patches.

    python -m experiments.tiny_data.run      # ten core-minutes; writes widths.csv, table.csv and figure.png
    python -m experiments.tiny_data.run --dataset imagenet64 --to FOLDER

* digits: a Gaussian around each of N training digits, exact as it is, of the width likeliest for validation digits;
* photographs: N patches of three photographs of scikit-image, to which Gaussians are fitted, as many as are
  likeliest for another photograph; one more, the cat, is reported, 16x16 pixels a piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import torch
from experiments.common import SIDE, Data, Row, band, best, canvas, interval, of, options, run, small_digits
from experiments.each import Each
from experiments.patches.fit import fit, patches_of, pixels
from torch import Tensor

import mapga
from mapga.operators import Diagonal
from mapga.pixels import from_uint8
from mapga.posteriors.exact import exact_posterior
from mapga.priors import MixturePrior, PatchesPrior
from mapga.problem import Problem, measure
from mapga.rng import generator

HERE = Path(__file__).parent
SIZES, MISSING = (100, 500, 4500), (0.3, 0.6, 0.9)
REPORTED, VALIDATING, TUNED_ON = 40, 100, 12  # images; those that choose settings are among those that validate
PHOTOGRAPHS = {
    "train": ("astronaut.png", "camera.png", "rocket.jpg"),
    "validation": ("coffee.png",),
    "test": ("chelsea.png",),
}
DIGITS, PATCHES = "digits", "photographs"
CHOICES = {DIGITS: (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5), PATCHES: (1, 3, 10, 30)}  # widths; numbers of Gaussians
SEEN = {DIGITS: "digits", PATCHES: "patches"}
ITERATIONS = 15  # of EM
_ASCENT: Row = {"steps": 20, "num_iter": 1, "learning_rate_growth": 1.0}
SOLVERS: dict[str, Row] = {  # 60 passes or so
    "map_ga_np": _ASCENT,
    "map_ga_d_np": _ASCENT,
    "pgdm": {"steps": 30},
    "pinv": {},
}
GROWTHS = {DIGITS: (1.0,), PATCHES: (0.0, 1.0)}  # of the step; grown it may be too long for the mean of a patch
EXACT = "posterior mean"
ODE_STEPS = 8


def pictures(part: str, limit: int | None, data: Data, content: str = DIGITS) -> Tensor:
    """Images of a split; of another dataset its first images are reported, the next validate, the rest are seen."""
    if data.dataset:
        skip = {"test": 0, "validation": REPORTED, "train": REPORTED + VALIDATING}[part]
        return data.images(SIZES[-1] if limit is None else limit, skip)
    if content == DIGITS:
        return small_digits(part, limit)
    pieces = torch.cat([from_uint8(pixels(path, 1)[None]) for path in photographs(part)]).double()
    pieces = pieces.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).reshape(-1, 1, SIDE, SIDE)
    return pieces[torch.from_numpy(generator(0, "pieces", 0).permutation(len(pieces)))][:limit]


def photographs(part: str) -> list[Path]:
    """Those of scikit-image that a split has."""
    import skimage.data

    return [Path(skimage.data.__file__).parent / name for name in PHOTOGRAPHS[part]]


@cache
def prior_of(content: str, size: int, choice: float, data: Data) -> MixturePrior | PatchesPrior:
    if content == PATCHES:
        seen = patches_of(photographs("train"), 1, size, seed=0)
        weights, means, covariances = fit(seen.flatten(1), int(choice), ITERATIONS, seed=0)
        return PatchesPrior(weights, means.reshape(-1, 1, 8, 8), covariances, (1, SIDE, SIDE))
    seen = pictures("train", size if data.dataset else None, data)
    return MixturePrior.from_images(seen, choice, size, ode_steps=ODE_STEPS)


def widths(asked: Row, *, count: int, data: Data) -> Iterator[Row]:
    """Mean log density of validation images, nats a pixel."""
    x = pictures("validation", count, data, asked["content"])
    known = prior_of(asked["content"], asked["size"], asked["choice"], data).log_density(x, 0.002)
    yield {"measure": "nats_a_pixel"} | interval(known / x[0].numel(), 4)


def mask(index: int, missing: float, shape: tuple[int, int, int]) -> Diagonal:
    """As many pixels as that are missing of an image, chosen by its index."""
    _, height, width = shape
    gone = generator(0, "mask", index).permutation(height * width)[: round(missing * height * width)]
    seen = torch.ones(height * width)
    seen[torch.from_numpy(gone)] = 0
    return Diagonal(seen.reshape(height, width), shape)


def posterior_mean(problem: Problem, prior: MixturePrior | PatchesPrior) -> Tensor:
    """Of every image, through its own mask."""
    assert isinstance(problem.operator, Each)
    parts = zip(problem.operator.operators, problem.y.split(1), strict=True)
    return torch.cat([exact_posterior(Problem(y, operator, 0.0), prior).mean() for operator, y in parts])


def seen(x: Tensor, missing: float) -> Problem:
    """Images, each through its own mask."""
    shape = (x.shape[1], x.shape[2], x.shape[3])
    operator = Each([mask(index, missing, shape) for index in range(len(x))])
    return measure(x, operator, 0.0, seed=0, indices=range(len(x)))


def cell(asked: Row, *, count: int, tuned_on: int, choices: dict[tuple[str, int], float], data: Data) -> Iterator[Row]:
    content, size, name = asked["content"], asked["size"], asked["solver"]
    prior = prior_of(content, size, choices[content, size], data)
    truth, settings = pictures("test", count, data, content), SOLVERS.get(name, {})
    problem = seen(truth, asked["missing"])
    if name == EXACT:
        x = posterior_mean(problem, prior)
    else:
        true = pictures("validation", tuned_on, data, content)
        other = seen(true, asked["missing"])

        def answers(problem: Problem, settings: Row) -> Tensor:
            return mapga.load_solver(name, **settings).restore(problem, prior, batch_size=len(problem))

        if "learning_rate_growth" in settings and len(GROWTHS[content]) > 1:
            candidates = [settings | {"learning_rate_growth": growth} for growth in GROWTHS[content]]
            settings = best(candidates, lambda one: (answers(other, one) - true).square().flatten(1).mean(1))
        x = answers(problem, settings)
    said = {"settings": " ".join(f"{key}={value}" for key, value in settings.items()), "images": count}
    error = (x.clamp(-1, 1) - truth).square()
    hidden = ~torch.cat([one.measured for one in problem.operator.operators])
    yield {"measure": "psnr"} | said | interval(10 * (4 / error.flatten(1).mean(1)).log10(), 2)
    rms = ((error * hidden).flatten(1).sum(1) / hidden.flatten(1).sum(1)).sqrt()
    yield {"measure": "rms_error_of_hidden"} | said | interval(rms)


def figure(rows: list[Row], to: Path) -> None:
    shown, axes = canvas(len(CHOICES), len(MISSING), 11, 7, sharey="row")
    for line, content in zip(axes, CHOICES, strict=True):
        for axis, missing in zip(line, MISSING, strict=True):
            shared = of(rows, content=content, missing=missing, measure="rms_error_of_hidden")
            for k, name in enumerate(name for name in (*SOLVERS, EXACT) if name != "pinv"):
                style = {"color": "k", "linestyle": "--"} if name == EXACT else {"color": f"C{k}"}
                band(axis, of(shared, solver=name), "size", label=name, marker="osD^v"[k], **style)
            (without,) = {row["mean"] for row in of(shared, solver="pinv")}
            title = f"{100 * missing:.0f} % missing (no prior: {float(without):.2f})"
            axis.set(title=title, xscale="log", xlabel=f"{SEEN[content]} that the prior saw")
            axis.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
            axis.minorticks_off()
        line[0].set_ylabel("rms error of hidden pixels")
    axes[0, 0].legend(fontsize=8)
    shown.savefig(to, dpi=90)


def solvers_on(content: str) -> list[str]:
    """C of patches is left out: its flow wants a hundred steps."""
    return [name for name in (*SOLVERS, EXACT) if content != PATCHES or name != "map_ga_np"]


if __name__ == "__main__":
    asked = options(data="its first 40 images are reported, the next 100 choose the width, the rest are seen")
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    contents, sizes, missing = list(CHOICES), SIZES, MISSING
    count, validating, tuned_on = REPORTED, VALIDATING, TUNED_ON
    if asked.quick:
        sizes, missing, count, validating, tuned_on = SIZES[:1], MISSING[:1], 2, 5, 2
    if asked.dataset:
        contents = [DIGITS]
    places = [{"content": content, "size": n} for content in contents for n in sizes]
    of_widths = [
        place | {"choice": choice}
        for place in places
        for choice in CHOICES[place["content"]]
        if choice <= place["size"] / 33  # patches for a Gaussian
    ]
    tried = run(to / "widths.csv", of_widths, partial(widths, count=validating, data=asked.data), asked.jobs)
    choices = {
        (place["content"], place["size"]): float(max(of(tried, **place), key=lambda row: float(row["mean"]))["choice"])
        for place in places
    }
    cells = [
        place | {"missing": m, "solver": name}
        for place in places
        for name in solvers_on(place["content"])
        for m in missing
    ]
    work = partial(cell, count=count, tuned_on=tuned_on, choices=choices, data=asked.data)
    found = run(to / "table.csv", cells, work, asked.jobs)
    if not asked.quick and not asked.dataset:
        figure(found, to / "figure.png")
