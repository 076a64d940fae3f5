"""What the patch prior knows of photographs it was not fitted on, beside one Gaussian; and how far its flow is off.

    python experiments/patches/figures.py MIXTURE GAUSSIAN --heldout FOLDER

MIXTURE and GAUSSIAN are files of ``fit.py``, the second with ``--components 1``. One crop of 64x64 a photograph. Nats a
dimension are of pixels in [-1, 1] with uniform noise of one grey level; PSNR is of D, cut to [-1, 1], against peak 2.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mapga.datasets.image_folder import SUFFIXES
from mapga.datasets.pictures import pictures_below, to_bytes
from mapga.priors import PatchesPrior

SIZE, LEVELS = 64, (0.1, 0.2, 0.4, 0.8)


def crops(folder: Path, channels: int) -> Tensor:
    """One random crop a photograph, (N, C, 64, 64) in [-1, 1], with uniform noise of one grey level."""
    from PIL import Image

    rng, cut = np.random.default_rng(0), []
    for path in pictures_below(folder, SUFFIXES):
        with Image.open(path) as picture:
            image = to_bytes(picture, channels)
        top, left = (int(rng.integers(side - SIZE + 1)) for side in image.shape[:2])
        cut.append(image[top : top + SIZE, left : left + SIZE].transpose(2, 0, 1))
    grey_levels = np.stack(cut).astype(np.float64)
    return torch.from_numpy((grey_levels + rng.random(grey_levels.shape) - 0.5) / 127.5 - 1)


def figures(prior: PatchesPrior, images: Tensor) -> list[float]:
    """Nats a dimension, and PSNR at each level."""
    found = [float(prior.log_density(images, 0.0).mean()) / images[0].numel()]
    noise = torch.randn(images.shape, dtype=images.dtype, generator=torch.Generator().manual_seed(0))
    for sigma in LEVELS:
        restored = prior.denoise(images + sigma * noise, sigma).clamp(-1, 1)
        found.append(10 * float(torch.log10(4 / (restored - images).square().mean())))
    return found


def flow_error(file: str, channels: int, steps: int, images: int, sigma: float) -> tuple[float, float]:
    """The share of patches that end on another component than with 512 steps, and the RMSE a pixel."""
    coarse, fine = (PatchesPrior.fitted((channels, 64, 64), file, ode_steps=n) for n in (steps, 512))
    x = coarse.sample(range(images), seed=0)
    x = x + sigma * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    ends = [prior.consistency(x, sigma) for prior in (coarse, fine)]
    reached = [fine.shares(end, fine.sigma_min).argmax(-1) for end in ends]
    return float((reached[0] != reached[1]).double().mean()), float((ends[0] - ends[1]).square().mean().sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs=2)
    parser.add_argument("--heldout", type=Path, help="a folder of photographs")
    parser.add_argument("--flow", type=int, default=0, help="images of 64 patches for the error of C; 0: none")
    given = parser.parse_args()
    for channels in (1, 3) if given.heldout else ():
        images = crops(given.heldout, channels)
        for file in given.files:
            values = figures(PatchesPrior.fitted((channels, SIZE, SIZE), file), images)
            print(channels, file, len(images), " ".join(f"{value:.2f}" for value in values), flush=True)
    for channels, steps in product((1, 3), (32, 64, 96)) if given.flow else ():
        share, rmse = flow_error(given.files[0], channels, steps, given.flow, 80.0)
        print(f"{channels} channels, {steps} steps: {share:.4f} elsewhere, RMSE {rmse:.4f}", flush=True)


if __name__ == "__main__":
    main()
