r"""Fit the patch prior: a Gaussian mixture of 8x8 patches, grey and colour, on the photographs of a folder.

    python experiments/patches/fit.py FOLDER --list experiments/patches/photographs.csv --output mixture.safetensors
    mapga run prior=patches prior.file=mixture.safetensors ...

Photographs are shrunk to a longest side of 480 pixels, which also takes away what JPEG left, and cut into disjoint
patches, each turned or mirrored at random: what is learned of vertical edges is learned of horizontal ones. A grey
level stands for all values that are rounded to it, so uniform noise of one grey level is added. The mixture is fitted
by EM in float64; each covariance is drawn to that of all patches with the weight of 50 patches, so that rare
components stay whole.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mapga.datasets.image_folder import SUFFIXES
from mapga.datasets.pictures import pictures_below, to_bytes
from mapga.files.durable import write_json
from mapga.files.fetch import sha256_of
from mapga.priors.mixtures.file import write_mixtures
from mapga.priors.networks.shipped import SHIPPED

SIDE, LONGEST = 8, 480
SHRINKAGE, NOISE_FLOOR = 50.0, 1e-6  # patches, and a variance far below that of a grey level, 5e-6
NEGLIGIBLE = 1e-3  # a responsibility that moves no covariance


def photographs(folder: Path, listed: Path | None) -> list[Path]:
    """The pictures below a folder; or those of a list, each the file whose hash it names."""
    if listed is None:
        return pictures_below(folder, SUFFIXES)
    rows = list(csv.DictReader(listed.read_text().splitlines()))
    paths = [folder / row["file"] for row in rows]
    for path, row in zip(paths, rows, strict=True):
        if not path.is_file() or sha256_of(path) != row["sha256"]:
            raise SystemExit(f"{path}: missing, or not the photograph of {listed}; README.md says how to get them")
    return paths


def pixels(path: Path, channels: int) -> np.ndarray:
    """A photograph (H, W, C) in grey levels, no side longer than 480."""
    with Image.open(path) as picture:
        scale = LONGEST / max(picture.size)
        if scale < 1:
            size = (round(picture.width * scale), round(picture.height * scale))
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        return to_bytes(picture.convert("RGB" if channels == 3 else "L"), channels)


def patches_of(paths: list[Path], channels: int, count: int, seed: int) -> Tensor:
    """``count`` patches (count, C, 8, 8) in [-1, 1], float64, from a grid of random offset on each photograph."""
    rng = np.random.default_rng(seed)
    cut = []
    for path in paths:
        image = pixels(path, channels)
        top, left = rng.integers(SIDE, size=2)
        rows, columns = (image.shape[0] - top) // SIDE, (image.shape[1] - left) // SIDE
        image = image[top : top + rows * SIDE, left : left + columns * SIDE]
        cut.append(
            image.reshape(rows, SIDE, columns, SIDE, channels).transpose(0, 2, 4, 1, 3).reshape(-1, channels, 8, 8)
        )
    every = np.concatenate(cut)
    chosen = every[rng.permutation(len(every))[:count]].astype(np.float64)
    for turned in (lambda part: part[..., ::-1], lambda part: part[..., ::-1, :], lambda part: part.swapaxes(-1, -2)):
        some = rng.random(len(chosen)) < 0.5
        chosen[some] = turned(chosen[some])
    return torch.from_numpy((chosen + rng.random(chosen.shape) - 0.5) / 127.5 - 1)


def fit(x: Tensor, components: int, iterations: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (K,), means (K, n) and covariances (K, n, n) of vectors (N, n), by EM from K of them as centres."""
    count, n = x.shape
    overall = x.T.cov()
    centres = x[torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:components]]
    shares = torch.nn.functional.one_hot(torch.cdist(x, centres).argmin(1), components).to(x)
    for iteration in range(iterations):
        weights = shares.mean(0)
        means, factors = x.new_zeros(components, n), x.new_zeros(components, n, n)
        logs = x.new_zeros(count, components)
        for k in range(components):
            own = shares[:, k] > NEGLIGIBLE
            share, members = shares[own, k], x[own]
            means[k] = share @ members / share.sum()
            centred = (members - means[k]) * share.sqrt()[:, None]
            scatter = (centred.T @ centred + SHRINKAGE * overall) / (share.sum() + SHRINKAGE)
            factors[k] = torch.linalg.cholesky(scatter + NOISE_FLOOR * torch.eye(n).to(x))
            white = torch.linalg.solve_triangular(factors[k], (x - means[k]).T, upper=False)
            logs[:, k] = weights[k].log() - factors[k].diagonal().log().sum() - white.square().sum(0) / 2
        total = logs.logsumexp(1, keepdim=True)
        shares = (logs - total).exp()
        print(f"{iteration + 1}: {float(total.mean()) / n - np.log(2 * np.pi) / 2:.4f} nats a dimension", flush=True)
    return weights, means, factors @ factors.mT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", type=Path, help="a CSV of the files to take, with their SHA-256")
    parser.add_argument("--components", type=int, default=20)
    parser.add_argument("--patches", type=int, default=40_000)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=SHIPPED / "patches.safetensors")
    given = parser.parse_args()
    paths = photographs(given.folder, given.list)
    mixtures = {}
    for channels in (1, 3):
        x = patches_of(paths, channels, given.patches, given.seed)
        weights, means, covariances = fit(x.flatten(1), given.components, given.iterations, given.seed)
        mixtures[channels] = (weights, means.reshape(-1, channels, SIDE, SIDE), covariances)
        print(f"{len(paths)} photographs, {len(x)} patches of {channels} channels", flush=True)
    facts = {key: str(getattr(given, key)) for key in ("components", "patches", "iterations", "seed")}
    write_mixtures(given.output, mixtures, facts | {"photographs": str(len(paths))})
    if given.output.parent == SHIPPED:
        manifest = json.loads((SHIPPED / "manifest.json").read_text())
        entry = {"file": given.output.name, "size": given.output.stat().st_size, "sha256": sha256_of(given.output)}
        write_json(SHIPPED / "manifest.json", manifest | {"patches": {"mixture": entry}})
    print(f"{given.output}: {given.output.stat().st_size} bytes, SHA-256 {sha256_of(given.output)}")


if __name__ == "__main__":
    main()
