"""Operators that are not linear, on digits with the shipped networks: MAP-GA by the likelihood's own gradient, and DPS.

    python -m experiments.nonlinear.run      # two minutes on a GPU; writes table.csv, settings.csv and figure.png

Settings are chosen by PSNR on validation digits, and the numbers are of test digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from experiments.common import Row, best, interval, options, run, solve
from torch import Tensor

import mapga
from mapga.priors import Prior

HERE = Path(__file__).parent
TASKS = ("quantize", "hdr", "gamma", "deblur_light", "cs", "cs_magnitude", "cs_sign", "phase")
SIGMA_Y, PASSES = 0.05, 100
_ASCENTS: list[Row] = [{"num_iter": 1, "learning_rate_factor": factor} for factor in (0.1, 0.3, 1.0)]
_ASCENTS += [{"num_iter": 5, "learning_rate_factor": 0.3}]
CANDIDATES: dict[str, list[Row]] = {
    "map_ga_d_np": _ASCENTS,
    "map_ga_np": _ASCENTS,
    "dps": [{"scale": scale} for scale in (0.3, 1.0, 3.0, 10.0)],
}
SHOWN = 6


def digits(split: str, count: int, device: str) -> Tensor:
    return mapga.load_images("mnist", split=split, limit=count).to(device)


def psnr(problem: mapga.Problem, answers: Tensor, truth: Tensor) -> Tensor:
    """Of the better of what the operator cannot tell apart."""
    nearest = problem.operator.nearest(answers.clamp(-1, 1), truth)
    return 10 * (4 / (nearest - truth).square().flatten(1).mean(1)).log10()


def cell(asked: Row, *, count: int, tuned_on: int, passes: int, device: str, to: Path) -> Iterator[Row]:
    name, task = asked["solver"], mapga.load_task(asked["task"], sigma_y=SIGMA_Y)
    prior: Prior = mapga.load_prior("mnist").to(device, torch.float32)
    other = digits("validation", tuned_on, device)
    tried = task.measure(other, seed=0)
    settings = best(CANDIDATES[name], lambda one: -psnr(tried, solve(name, tried, prior, passes, **one), other))
    truth = digits("test", count, device)
    problem = task.measure(truth, seed=0)
    x = solve(name, problem, prior, passes, **settings)
    np.save(to / f"{asked['task']}-{name}.npy", x[:SHOWN].cpu().numpy())
    np.save(to / f"{asked['task']}-y.npy", problem.operator.preview(problem.y[:SHOWN]).cpu().numpy())
    found = mapga.load_metrics("digits")(x, truth, problem=problem)
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    rotated = ~torch.isclose(problem.operator.nearest(x, truth), x).flatten(1).all(1)
    for measure in ("psnr", "digit_accuracy", "consistency"):
        values = np.asarray(found[measure], dtype=float)
        yield {"settings": said, "measure": measure, "images": len(values), "rotated": int(rotated.sum())} | interval(
            np.nan_to_num(values).tolist()
        )


def figure(to: Path, kept: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    truth = digits("test", SHOWN, "cpu").numpy()
    shown, axes = plt.subplots(len(CANDIDATES) + 2, len(TASKS), figsize=(12, 7.5), layout="constrained")
    for column, task in enumerate(TASKS):
        pictures = {"truth": truth, "measured": np.load(kept / f"{task}-y.npy")}
        pictures |= {name: np.load(kept / f"{task}-{name}.npy") for name in CANDIDATES}
        for axis, (name, images) in zip(axes[:, column], pictures.items(), strict=True):
            axis.imshow(np.hstack(images[:3, 0]), cmap="gray", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(name, fontsize=8)
        axes[0, column].set_title(task, fontsize=9)
    shown.savefig(to, dpi=100)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    kept = to / "pictures"
    kept.mkdir(parents=True, exist_ok=True)
    tasks = TASKS[:1] if asked.quick else TASKS
    size = (
        {"count": 2, "tuned_on": 1, "passes": 11} if asked.quick else {"count": 120, "tuned_on": 48, "passes": PASSES}
    )
    cells = [{"task": task, "solver": name} for task in tasks for name in CANDIDATES]
    run(to / "table.csv", cells, partial(cell, **size, device=asked.device, to=kept), 1)
    if not asked.quick:
        figure(to / "figure.png", kept)
