"""The gradient through C and D by reverse mode, against forward mode and central differences, at every noise level.

    python -m experiments.gradient_check.run  # five core-minutes; writes table.csv and figure.png beside this file
    python -m experiments.gradient_check.run --dataset imagenet64 --prior imagenet64 --to FOLDER

J^T v is compared in K random directions d: <J^T v, d> with <v, J d> (forward mode) and with differences of
<v, f(x + h d)> of fourth order (float64), and as a whole with J^T v of float64. v is fixed, of the same image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import torch
from experiments.common import Data, Row, band, canvas, interval, of, options, run
from torch import Tensor

import mapga
from mapga.priors import Prior

HERE = Path(__file__).parent
LEVELS = (0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 80.0)
PRIORS = ("gaussian", "overlapping", "patches", "mnist")
PRECISIONS = ("float64", "float32", "bfloat16")
COUNTS = {"gaussian": (16, 8), "overlapping": (8, 8), "patches": (2, 4), "mnist": (8, 4)}  # images, directions
_SMALL = 2e-5  # h, as a share of the level

Function = Callable[[Tensor], Tensor]


def truths(name: str, count: int, device: str, data: Data) -> Tensor:
    """Images that a prior knows: those that were named, draws of an exact one, or digits for the networks."""
    if data.dataset:
        return data.images(count).to(device)
    if name == "mnist":
        return torch.Tensor.as_subclass(mapga.load_images("mnist", limit=count, dtype=torch.float64), Tensor).to(device)
    return loaded(name, "float64").sample(range(count), seed=0).to(device)


def _shape(name: str) -> Row:
    return {"image_shape": (1, 16, 16), "ode_steps": 16} if name == "patches" else {}


@cache
def loaded(name: str, precision: str) -> Prior:
    """A prior, whose networks compute in bfloat16 where that is asked for."""
    more = {"precision": "bfloat16"} if (name, precision) == ("mnist", "bfloat16") else {}
    return mapga.load_prior(name, **_shape(name), **more)


def reverse(f: Function, x: Tensor, v: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x), x, v)[0]


def forward(f: Function, x: Tensor, d: Tensor) -> Tensor:
    return torch.func.jvp(f, (x,), (d,))[1]


def difference(f: Function, x: Tensor, d: Tensor, h: float) -> Tensor:
    """Fourth order."""
    with torch.no_grad():
        return (8 * (f(x + h * d) - f(x - h * d)) - (f(x + 2 * h * d) - f(x - 2 * h * d))) / (12 * h)


def cell(asked: Row, *, count: int, device: str, data: Data) -> Iterator[Row]:
    name, function, sigma = asked["prior"], asked["function"], asked["sigma"]
    images, directions = COUNTS.get(name, (2, 4))
    x0 = truths(name, min(count, images), device, data)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device)
    x, v, draw = x0 + sigma * noise, torch.ones_like(x0), torch.Generator().manual_seed(1)
    v = torch.randn(x0.shape, generator=draw, dtype=torch.float64).to(device)
    ds = [torch.randn(x0.shape, generator=draw, dtype=torch.float64).to(device) for _ in range(directions)]

    def f(precision: str) -> Function:
        prior = loaded(name, precision).to(device, torch.float64 if precision == "float64" else torch.float32)
        return lambda at: getattr(prior, function)(at, sigma)

    exact = f("float64")
    whole = reverse(exact, x, v)
    ours = torch.stack([_dot(whole, d) for d in ds], 1)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        ahead = torch.stack([_dot(v, forward(exact, x, d)) for d in ds], 1)
    apart = torch.stack([_dot(v, difference(exact, x, d, _SMALL * sigma)) for d in ds], 1)
    for against, numbers in (("forward mode", ahead), ("central differences", apart)):
        yield _row("float64", against, ours, numbers)
    for precision in PRECISIONS[1:] if name == "mnist" else PRECISIONS[1:2]:
        found = reverse(f(precision), x.float(), v.float()).double()
        yield _row(precision, "reverse mode in float64", found.flatten(1), whole.flatten(1))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


def _row(precision: str, against: str, found: Tensor, wanted: Tensor) -> Row:
    """Largest relative error and smallest cosine of all images; the error's geometric mean with its interval."""
    error = (found - wanted).norm(dim=1) / wanted.norm(dim=1)
    cosine = torch.nn.functional.cosine_similarity(found, wanted, dim=1)
    spread = {key: f"{10**value:.1e}" for key, value in interval(error.log10(), 4).items()}
    return {
        "precision": precision,
        "against": against,
        "images": len(error),
        "worst_error": f"{float(error.max()):.1e}",
        **spread,
        "worst_cosine": round(float(cosine.min()), 6),
    }


def figure(rows: list[Row], to: Path) -> None:
    """Mean and interval of the relative error over images, by level."""
    shown, axes = canvas(2, len(PRIORS), 13, 6, sharex=True, sharey=True)
    kinds = dict.fromkeys((row["precision"], row["against"]) for row in rows)
    for line, function in zip(axes, ("consistency", "denoise"), strict=True):
        for axis, prior in zip(line, PRIORS, strict=True):
            for precision, against in kinds:
                here = of(rows, prior=prior, function=function, precision=precision, against=against)
                band(axis, here, "sigma", label=f"{precision}, against {against}")
            axis.set(title=f"{'C' if function == 'consistency' else 'D'}, prior={prior}", xscale="log", yscale="log")
    for axis in axes[1]:
        axis.set_xlabel("level sigma")
    for axis in axes[:, 0]:
        axis.set_ylabel("relative error of J^T v")
    axes[0, 0].legend(fontsize=7, loc="upper center")
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options(data="images that the prior knows", prior="mnist")
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    priors, levels = (PRIORS[:2], LEVELS[3:5]) if asked.quick else (PRIORS, LEVELS)
    if asked.dataset:
        priors = (asked.prior,)
    cells = [
        {"prior": prior, "function": function, "sigma": sigma}
        for prior in priors
        for function in ("consistency", "denoise")
        for sigma in (levels if prior == "gaussian" or asked.quick else levels[1::2])
    ]
    work = partial(cell, count=2 if asked.quick else 16, device=asked.device, data=asked.data)
    found = run(to / "table.csv", cells, work, 1 if asked.device != "cpu" else asked.jobs)
    if not asked.quick and not asked.dataset:
        figure(found, to / "figure.png")
