"""How ambiguous posteriors of prior=overlapping are, and how often its consistency function picks another component.

    python experiments/exactness/priors.py        # writes entropy.csv and astray.csv beside this file, in minutes

* entropy.csv: entropy of the component given y, in nats, mean over draws of the prior (log 64 = 4.16: y tells nothing),
  and the share of draws whose best mode is certified.
* astray.csv: the share of starts x_sigma whose trajectory, in so many Heun steps, ends nearest another component than
  in 128. What lies across the span of the means only shrinks, and no component depends on it: 64 coordinates stand for
  1,024 pixels, exactly.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from mapga.datasets import MNIST
from mapga.operators import BlockMean, CentralBox, HalfMask, Identity, SeparableBlur
from mapga.pixels import from_uint8
from mapga.posteriors import exact_posterior
from mapga.priors import MixturePrior
from mapga.problem import measure

SHAPE = (1, 32, 32)
COMPONENTS, CONTRAST = 64, 0.1
STDS = (0.05, 0.1, 0.2, 0.3)
TASKS = {
    "box50": CentralBox(SHAPE, 0.5),
    "half": HalfMask(SHAPE),
    "supres4x": BlockMean(SHAPE, 4),
    "deblur": SeparableBlur(SHAPE),
    "denoise": Identity(SHAPE),
}
NOISES = (0.0, 0.05, 0.2)
DRAWS = 50
STEPS, FINE = (8, 16, 32), 128
LEVELS, STARTS = (2.0, 80.0), 1000


def prior(std: float) -> MixturePrior:
    """As conf/prior/overlapping.yaml has it."""
    return MixturePrior.from_images(from_uint8(MNIST(limit=1).training()), std, COMPONENTS, contrast=CONTRAST)


def entropies() -> Iterator[tuple[float | str, ...]]:
    for std in STDS:
        x = prior(std).sample(range(DRAWS), seed=0)
        for task, operator in TASKS.items():
            for sigma_y in NOISES:
                found = exact_posterior(measure(x, operator, sigma_y, seed=0, indices=range(DRAWS)), prior(std))
                certified = float(found.mode.certified.double().mean())
                yield std, task, sigma_y, round(float(found.entropy().mean()), 3), certified


def astray() -> Iterator[tuple[float, ...]]:
    for std in STDS:
        _, inside = torch.linalg.qr(prior(std).means.T)
        means = inside.T.reshape(COMPONENTS, 1, 8, 8)
        for level in LEVELS:
            fine = MixturePrior(means, std, ode_steps=FINE)
            noise = torch.randn(STARTS, 1, 8, 8, dtype=torch.float64, generator=torch.manual_seed(0))
            x = fine.sample(range(STARTS), seed=1) + level * noise
            ends = nearest(fine, x, level)
            for steps in STEPS:
                moved = nearest(MixturePrior(means, std, ode_steps=steps), x, level) != ends
                yield std, level, steps, float(moved.double().mean())


def astray_of_all() -> Iterator[tuple[float, ...]]:
    """The same of prior=mixture: every training digit, a standard deviation of 0.1, 400 starts, at most 64 steps."""
    means = from_uint8(MNIST(limit=1).training()).float()
    for level in LEVELS:
        fine = MixturePrior(means, 0.1, ode_steps=FINE).to("cpu", torch.float32)
        noise = torch.randn(400, *SHAPE, generator=torch.manual_seed(0))
        x = fine.sample(range(400), seed=1).float() + level * noise
        ends = nearest(fine, x, level)
        for steps in (*STEPS, 64):
            moved = nearest(MixturePrior(means, 0.1, ode_steps=steps).to("cpu", torch.float32), x, level) != ends
            yield level, steps, float(moved.double().mean())


def nearest(mixture: MixturePrior, x: torch.Tensor, level: float) -> torch.Tensor:
    """The component of most responsibility where each trajectory ends; all weigh the same."""
    end = mixture.consistency(x, level).flatten(1)
    return (end @ mixture.means.T - mixture.half_norms).argmax(1)


def write(name: str, columns: str, rows: Iterable[tuple[float | str, ...]]) -> None:
    with (Path(__file__).parent / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        for row in rows:
            writer.writerow(row)
            file.flush()


if __name__ == "__main__":
    write("astray.csv", "std sigma steps astray", astray())
    write("astray_of_all.csv", "sigma steps astray", astray_of_all())
    write("entropy.csv", "std task sigma_y entropy certified", entropies())
