"""Operators that are not linear: MAP-GA by the likelihood's own gradient, and DPS, on exact priors and on a network.

    python -m experiments.nonlinear.run      # ten core-minutes; writes table.csv, figure.png and pictures/*.npy

Settings are chosen by PSNR on other images than those reported, as many for each solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from experiments.common import (
    VALIDATION,
    Row,
    best,
    canvas,
    interval,
    of,
    options,
    patches_prior,
    run,
    small_digits,
    solve,
)
from torch import Tensor

import mapga
from mapga.priors import MixturePrior, Prior
from mapga.problem import Problem, measure

HERE = Path(__file__).parent
TASKS = ("quantize", "hdr", "gamma", "deblur_light", "cs", "cs_magnitude", "cs_sign", "phase")
WITH_NETWORK = ("quantize", "hdr", "phase")  # what a network is asked, which costs a hundred times as much
SIGMA_Y = 0.05
_ASCENTS: list[Row] = [
    {"num_iter": 1},
    {"num_iter": 1, "learning_rate_growth": 1.0, "learning_rate_factor": 0.3},
    {"num_iter": 1, "learning_rate_growth": 1.0},
]
CANDIDATES: dict[str, list[Row]] = {
    "map_ga_d_np": _ASCENTS,
    "map_ga_np": _ASCENTS,
    "dps": [{"scale": scale} for scale in (0.3, 1.0, 3.0)],
}
PRIORS = {
    "mixture": (100, 48, 20),
    "network": (36, 32, 4),
    "patches": (100, 24, 10),
}  # passes, images: reported, tuned on
MARKS = (("mixture", "o", True), ("network", "o", False), ("patches", "s", True))
SHOWN, ABSURD = 3, 10.0


@cache
def mixture() -> MixturePrior:
    """Around 256 training digits at 16x16."""
    return MixturePrior.from_images(small_digits("train"), 0.1, 256, ode_steps=8)


def problem_of(task: str, prior: str, split: str, count: int, device: str) -> tuple[Tensor, Problem, Prior]:
    """Images to report on or to choose on: draws of an exact prior, or digits that the network never saw."""
    if prior != "network":
        indices = range(count) if split == "test" else range(VALIDATION, VALIDATION + count)
        known: Prior = mixture() if prior == "mixture" else patches_prior()
        truth = known.sample(indices, seed=0)
        operator = mapga.load_task(task).operator(known.image_shape)
        return truth, measure(truth, operator, SIGMA_Y, seed=0, indices=indices), known
    truth = mapga.load_images("mnist", split=split, limit=count).to(device)
    network = mapga.load_prior("mnist", precision="float32").to(device, torch.float32)
    return truth, mapga.load_task(task, sigma_y=SIGMA_Y).measure(truth, seed=0), network


def psnr(problem: Problem, answers: Tensor, truth: Tensor) -> Tensor:
    """Of the better of what the operator cannot tell apart."""
    nearest = problem.operator.nearest(answers.clamp(-1, 1), truth)
    return 10 * (4 / (nearest - truth).square().flatten(1).mean(1)).log10()


def cell(asked: Row, *, quick: bool, device: str, to: Path) -> Iterator[Row]:
    name, task, of_prior = asked["solver"], asked["task"], asked["prior"]
    passes, count, tuned_on = (8, 2, 1) if quick else PRIORS[of_prior]
    other, tried, prior = problem_of(task, of_prior, "validation", tuned_on, device)
    settings = best(CANDIDATES[name], lambda one: -psnr(tried, solve(name, tried, prior, passes, **one), other))
    truth, problem, _ = problem_of(task, of_prior, "test", count, device)
    x = solve(name, problem, prior, passes, **settings)
    np.save(to / f"{of_prior}-{task}-{name}.npy", problem.operator.nearest(x, truth)[:SHOWN].cpu().numpy())
    np.save(to / f"{of_prior}-{task}-y.npy", problem.operator.preview(problem.y[:SHOWN]).cpu().numpy())
    np.save(to / f"{of_prior}-truth.npy", truth[:SHOWN].cpu().numpy())
    residual = problem.y - problem.operator.apply(x)
    found = {
        "psnr": psnr(problem, x, truth),
        "residual_of_noise": residual.flatten(1).square().mean(1).sqrt() / SIGMA_Y,
    }
    if isinstance(prior, MixturePrior):
        nearest = problem.operator.nearest(x, truth)
        apart = ((one.flatten(1) @ prior.means.T - prior.half_norms).argmax(1) for one in (nearest, truth))
        found["right_digit"] = torch.eq(*apart).double()
    elif of_prior == "network":
        scored = mapga.load_metrics("digits")(x, truth, problem=problem)
        found["right_digit"] = torch.as_tensor(np.asarray(scored["digit_accuracy"], dtype=float))
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    for measured, values in found.items():
        if measured == "residual_of_noise":
            values = values[x.abs().flatten(1).amax(1) <= ABSURD]  # what diverged has none, and next to no PSNR
        yield {"settings": said, "measure": measured, "images": len(values)} | interval(values.nan_to_num(0.0))


def figure(rows: list[Row], to: Path, kept: Path) -> None:
    """Above what was seen and restored, below how well."""
    shown, axes = canvas(len(CANDIDATES) + 3, len(TASKS), 13, 6.6, height_ratios=[1] * 5 + [4])
    for column, task in enumerate(TASKS):
        pictures = {"truth": np.load(kept / "mixture-truth.npy"), "measured": np.load(kept / f"mixture-{task}-y.npy")}
        pictures |= {name: np.load(kept / f"mixture-{task}-{name}.npy") for name in CANDIDATES}
        for axis, (name, images) in zip(axes[:-1, column], pictures.items(), strict=True):
            axis.imshow(np.hstack(images[:SHOWN, 0]), cmap="gray", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
        axes[0, column].set_title(task, fontsize=9)
        for k, name in enumerate(CANDIDATES):
            for place, (prior, marker, fill) in enumerate(MARKS):
                for row in of(rows, task=task, solver=name, prior=prior, measure="psnr"):
                    mean, low, high = (float(row[key]) for key in ("mean", "low", "high"))
                    bars, color = [[mean - low], [high - mean]], f"C{k}"
                    mfc = color if fill else "none"
                    axes[-1, column].errorbar(k + 0.2 * place, mean, bars, color=color, marker=marker, mfc=mfc, ms=5)
        axes[-1, column].set(xlim=(-0.5, 2.7), ylim=(8, 32))
        axes[-1, column].set_xticks(range(3), CANDIDATES, rotation=70, fontsize=8)
        if column:
            axes[-1, column].set_yticklabels([])
    axes[-1, 0].set_ylabel("PSNR, dB (full: exact\ndigits, empty: network,\nsquares: patches)")
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    kept = to / "pictures"
    kept.mkdir(parents=True, exist_ok=True)
    tasks = TASKS[-1:] if asked.quick else TASKS
    cells = [
        {"prior": prior, "task": task, "solver": name}
        for prior in PRIORS
        for task in tasks
        for name in CANDIDATES
        if (prior != "network" or task in WITH_NETWORK) and (prior != "patches" or name != "map_ga_np")  # C: its flow
    ]
    jobs = asked.jobs if asked.device == "cpu" else 1
    found = run(to / "table.csv", cells, partial(cell, quick=asked.quick, device=asked.device, to=kept), jobs)
    if not asked.quick:
        figure(found, to / "figure.png", kept)
