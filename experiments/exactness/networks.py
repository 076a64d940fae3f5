"""How far learned D and C of prior=overlapping are from the exact ones.

    python experiments/exactness/networks.py        # networks.csv, beside this file

At each noise level, over 512 noised draws of the prior that no network has seen: RMSE a pixel of the learned D from
the exact one, and of the exact one from the clean draw; RMSE of the learned C from the flow's end in 128 Heun steps,
and the share of starts from which it answers with another component.
"""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from torch import Tensor

from mapga.datasets import MNIST
from mapga.pixels import from_uint8
from mapga.priors import MixturePrior, NetworkPrior

LEVELS, DRAWS = (0.1, 0.3, 1.0, 3.0, 10.0, 80.0), 512
FIRST = 30_000  # training draws its images from another place


@torch.no_grad()
def compared() -> list[list[float]]:
    exact = MixturePrior.from_images(from_uint8(MNIST(limit=1).training()), 0.2, 64, contrast=0.1, ode_steps=128)
    exact = exact.to("cpu", torch.float32)
    learned = NetworkPrior.shipped("overlapping")
    clean = exact.sample(range(FIRST, FIRST + DRAWS), seed=9).float()
    noise = torch.randn(clean.shape, generator=torch.manual_seed(0))
    rows = []
    for sigma in LEVELS:
        z = clean + sigma * noise
        d, c = exact.denoise(z, sigma), exact.consistency(z, sigma)
        found = learned.consistency(z, sigma)
        astray = float((component(exact, found) != component(exact, c)).double().mean())
        rows.append([sigma, rmse(learned.denoise(z, sigma), d), rmse(d, clean), rmse(found, c), astray])
    return rows


def rmse(one: Tensor, other: Tensor) -> float:
    return round(float((one - other).square().mean().sqrt()), 4)


def component(prior: MixturePrior, x: Tensor) -> Tensor:
    return (x.flatten(1) @ prior.means.T - prior.half_norms).argmax(1)


if __name__ == "__main__":
    with (Path(__file__).parent / "networks.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sigma", "denoiser", "denoiser_exact", "consistency", "astray"])
        writer.writerows(compared())
