"""Sequences seen through an operator that changes from frame to frame, solved frame by frame and jointly.

    python -m experiments.time_varying.run   # ten core-minutes; writes table.csv, figure.png and sequence.gif
    python -m experiments.time_varying.run --dataset imagenet64 --prior imagenet64 --to FOLDER

Frame by frame every frame has noise of its own. Jointly they share it, or a frame starts from the answer to the one
before it, noised to a lower level. All have the same levels, gradient steps and passes. Whether MAP-GA's step grows
with the level is chosen on other sequences, frame by frame.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.common import (
    SIDE,
    Data,
    Row,
    best,
    canvas,
    interval,
    of,
    options,
    patches_prior,
    run,
    small_digits,
)
from torch import Tensor

import mapga
from mapga.errors import ConfigError
from mapga.operators import Diagonal, LinearOperator, SeparableBlur
from mapga.priors import MixturePrior, Prior
from mapga.problem import Problem, measure

HERE = Path(__file__).parent
FRAMES, SIGMA_Y, STEPS = 8, 0.05, 20
FIRST, SEQUENCES, TUNED_ON = 12, 24, 6  # of sequences: those before the first one choose the step
CONTENTS = {"digit": "a digit that moves on a circle", "window": "a window moving over a picture"}
OPERATORS = ("mask", "blur")
SOLVERS = ("map_ga_d_np", "map_gn_fast", "pgdm")
ASCENT, GROWTHS = "map_ga_d_np", (0.0, 1.0)  # of its step
HOW: dict[str, float | None] = {"own noise": None, "shared noise": None, "warm from 2": 2.0, "warm from 0.5": 0.5}
_TURN = [(2, 0), (1, 1), (0, 2), (-1, 1), (-2, 0), (-1, -1), (0, -2), (1, -1)]  # rows and columns, a circle
_KEPT = ("digit", "mask", "map_ga_d_np")  # what the animated picture shows


def moved(images: Tensor, frame: int) -> Tensor:
    """Images where they are at a frame of the circle."""
    return images.roll(_TURN[frame % len(_TURN)], (-2, -1))


def check(frames: int) -> None:
    """Raise ConfigError unless so many frames are a sequence."""
    if frames < 2:
        raise ConfigError(f"frames={frames}: a sequence has two at least, since flicker is what changes between them")


@cache
def prior_of(content: str, data: Data) -> Prior:
    """Of frames, none of which it saw: training digits at every place of the circle, natural patches, or as named."""
    if data.dataset:
        shape = tuple(data.images(1).shape[1:])
        return mapga.load_prior(data.prior, image_shape=shape).to("cpu", torch.float64)
    if content == "window":
        return patches_prior()
    digits = small_digits("train")[::20]
    return MixturePrior.from_images(torch.cat([moved(digits, frame) for frame in range(len(_TURN))]), 0.25)


def frames_of(content: str, number: int, frames: int, data: Data) -> Tensor:
    """The frames of a sequence, (F, C, H, W); of another dataset, an image that moves on the circle."""
    if data.dataset:
        return torch.cat([moved(data.images(1, skip=number), frame) for frame in range(frames)])
    if content == "digit":
        return torch.cat([moved(small_digits("test", number + 1)[number:], frame) for frame in range(frames)])
    from skimage import data

    picture = torch.from_numpy(data.chelsea().mean(2) / 127.5 - 1)[None, None]
    picture = torch.nn.functional.avg_pool2d(picture, 2)[0, 0]  # a cat, 150 x 225: 48 places that do not overlap
    top, left = 2 + 24 * (number % 6), 4 + 26 * (number // 6 % 8)
    return torch.stack([picture[None, top + f : top + f + SIDE, left + f : left + f + SIDE] for f in range(frames)])


def operators_of(kind: str, frames: int, shape: tuple[int, int, int]) -> list[LinearOperator]:
    """A box of half the height that hides and wanders, or a kernel of 1 to 7 pixels that comes and goes."""
    found: list[LinearOperator] = []
    side, width = shape[1:]
    for frame in range(frames):
        if kind == "mask":
            seen = torch.ones(side, width)
            place = round(side / 4 + 3 * side / 16 * math.sin(2 * math.pi * frame / FRAMES))
            seen[place : place + side // 2, side // 2 - place : side - place] = 0
            found.append(Diagonal(seen, shape))
        else:
            size = 1 + 2 * round(1.5 - 1.5 * math.cos(2 * math.pi * frame / FRAMES))
            found.append(SeparableBlur(shape, size))
    return found


def flicker(x: Tensor, truth: Tensor) -> float:
    """Rms of what changes between frames and should not, (x' - x) - (truth' - truth), of frames (F, C, H, W).

    What ``metrics=sequence`` says of stored images, here of answers as they are, before they are clipped to 8 bits.
    """
    return float((x - truth).diff(dim=0).square().mean().sqrt())


def measured(content: str, kind: str, numbers: range, frames: int, data: Data) -> tuple[Tensor, list[Problem]]:
    """The frames of some sequences, (F, S, C, H, W), and what is measured of each."""
    truth = torch.stack([frames_of(content, number, frames, data) for number in numbers], 1)
    shape = (truth.shape[2], truth.shape[3], truth.shape[4])
    problems = [
        measure(x, operator, SIGMA_Y, seed=frame, indices=numbers)
        for frame, (x, operator) in enumerate(zip(truth, operators_of(kind, frames, shape), strict=True))
    ]
    return truth, problems


def solved(name: str, how: str, prior: Prior, problems: Sequence[Problem], **settings: Any) -> Tensor:
    """The answers to problems of as many sequences, one a frame, (F, S, C, H, W)."""
    start, answers = HOW[how], []
    for frame, problem in enumerate(problems):
        numbers = [number + 1000 * frame * (how == "own noise") for number in problem.numbers]
        warm = {"sigma_max": start} if start and answers else {}
        solver = mapga.load_solver(name, steps=STEPS, **settings, **warm)
        own = Problem(problem.y, problem.operator, problem.sigma_y, numbers)
        answers.append(solver.restore(own, prior, 0, batch_size=len(numbers), start=answers[-1] if warm else None))
    return torch.stack(answers)


@cache
def settings_of(name: str, content: str, kind: str, count: int, frames: int, data: Data) -> Row:
    """One gradient step a level, which grows with the level or not: what is better on other sequences."""
    if name != ASCENT:
        return {}
    prior, (truth, problems) = prior_of(content, data), measured(content, kind, range(count), frames, data)
    candidates: list[Row] = [{"num_iter": 1, "learning_rate_growth": growth} for growth in GROWTHS]
    return best(
        candidates,
        lambda one: (solved(name, "own noise", prior, problems, **one) - truth).square().flatten(2).mean((0, 2)),
    )


def cell(asked: Row, *, count: int, tuned_on: int, frames: int, data: Data, to: Path) -> Iterator[Row]:
    content, kind, name = asked["content"], asked["operator"], asked["solver"]
    prior = prior_of(content, data)
    settings = settings_of(name, content, kind, tuned_on, frames, data)
    truth, problems = measured(content, kind, range(FIRST, FIRST + count), frames, data)
    x = solved(name, asked["how"], prior, problems, **settings)
    if (content, kind, name) == _KEPT:
        np.save(to / f"{asked['how'].replace(' ', '-')}.npy", x[:, :4].numpy())
        np.save(to / "truth.npy", truth[:, :4].numpy())
        np.save(to / "measured.npy", torch.stack([one.y[:4] for one in problems]).numpy())
    error = (x.clamp(-1, 1) - truth).square().flatten(2).mean(2)
    said = {"settings": " ".join(f"{key}={value}" for key, value in settings.items()), "sequences": count}
    yield {"measure": "psnr"} | said | interval((10 * (4 / error).log10()).mean(0), 2)
    changes = [flicker(x[:, i], truth[:, i]) for i in range(count)]
    yield {"measure": "flicker"} | said | interval(changes, 4)


def figure(rows: list[Row], to: Path) -> None:
    """Flicker against PSNR: up and to the left is better at both."""
    shown, axes = canvas(len(CONTENTS), len(OPERATORS), 10, 7.5)
    for line, content in zip(axes, CONTENTS, strict=True):
        for axis, kind in zip(line, OPERATORS, strict=True):
            for k, name in enumerate(SOLVERS):
                for marker, how in zip("os^v", HOW, strict=True):
                    here = of(rows, content=content, operator=kind, solver=name, how=how)
                    (x,), (y,) = of(here, measure="flicker"), of(here, measure="psnr")
                    at = [float(one["mean"]) for one in (x, y)]
                    bars = [
                        [[float(one["mean"]) - float(one["low"])], [float(one["high"]) - float(one["mean"])]]
                        for one in (x, y)
                    ]
                    axis.errorbar(*at, xerr=bars[0], yerr=bars[1], fmt=marker, color=f"C{k}", ms=6, lw=0.8)
            axis.set(title=f"{CONTENTS[content]}, {kind}", xlabel="flicker (less is better)")
        line[0].set_ylabel("PSNR, dB")
    for k, name in enumerate(SOLVERS):
        axes[0, 0].plot([], [], "s", color=f"C{k}", label=name)
    for marker, how in zip("os^v", HOW, strict=True):
        axes[0, 0].plot([], [], marker, color="grey", label=how)
    axes[0, 0].legend(fontsize=8)
    shown.savefig(to, dpi=100)


def animation(kept: Path, to: Path) -> None:
    """Four sequences: a line each for the truth, what was measured, and every way of solving."""
    from PIL import Image, ImageDraw

    names = ["truth", "measured", *(how.replace(" ", "-") for how in HOW)]
    lines = [np.load(kept / f"{name}.npy") for name in names]
    height, margin, scale = SIDE * 4, 110, 4
    pages = []
    for frame in range(len(lines[0])):
        page = Image.new("L", (margin + 4 * (height + 4), len(lines) * (height + 4)), 255)
        for line, (name, images) in enumerate(zip(names, lines, strict=True)):
            ImageDraw.Draw(page).text((6, line * (height + 4) + height // 2 - 5), name.replace("-", " "), fill=0)
            for column, image in enumerate(images[frame][:, 0]):
                pixels = np.uint8(np.clip(127.5 * (image + 1), 0, 255)).repeat(scale, 0).repeat(scale, 1)
                page.paste(Image.fromarray(pixels), (margin + column * (height + 4), line * (height + 4)))
        pages.append(page)
    pages[0].save(to, save_all=True, append_images=pages[1:], duration=250, loop=0)


if __name__ == "__main__":
    asked = options(data="images that move on a circle", prior="mnist", frames=FRAMES)
    try:
        check(asked.frames)
    except ConfigError as error:
        print(f"time_varying: {error}", file=sys.stderr)
        sys.exit(2)
    to = asked.to or HERE
    kept = to / "pictures"
    kept.mkdir(parents=True, exist_ok=True)
    contents, size = list(CONTENTS), {"count": SEQUENCES, "tuned_on": TUNED_ON}
    if asked.quick:
        contents, size = contents[:1], {"count": 4, "tuned_on": 2}
    if asked.dataset:
        contents = [asked.dataset]
    cells = [
        {"content": content, "operator": kind, "solver": name, "how": how}
        for content in contents
        for kind in (OPERATORS[:1] if asked.quick else OPERATORS)
        for name in (SOLVERS[:1] if asked.quick else SOLVERS)
        for how in HOW
    ]
    work = partial(cell, **size, frames=asked.frames, data=asked.data, to=kept)
    found = run(to / "table.csv", cells, work, asked.jobs)
    if not asked.quick and not asked.dataset:
        figure(found, to / "figure.png")
    if not asked.dataset:
        animation(kept, to / "sequence.gif")
