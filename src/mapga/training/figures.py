"""The figures of a model card: how good a learned pair is, measured on held-out digits.

``python -m mapga.training.figures OUTPUT`` measures the shipped MNIST pair and writes ``OUTPUT/figures.json`` and three
pictures of samples.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from mapga.datasets.mnist import MNIST
from mapga.files.durable import write_json
from mapga.metrics.extractors.digits_net import DigitClassifier
from mapga.pixels import from_uint8, to_uint8
from mapga.priors.base import Prior
from mapga.priors.mixture import MixturePrior
from mapga.priors.network import NetworkPrior
from mapga.training.data import first_images
from mapga.training.sampling import flow_end, noised, rmse, sample_consistency, sample_heun, write_grid

__all__ = ["denoising_error", "flow_distance", "measure", "readable"]

SEED = 0
DENOISING_LEVELS = (0.1, 0.3, 1.0, 3.0)
FLOW_LEVELS = (0.5, 2.0, 10.0, 80.0)
FLOW_IMAGES, FLOW_STEPS = 100, 40
SAMPLES, SAMPLING_STEPS, PICTURED = 200, 40, 48
SURE = 0.9  # probability from which a sample counts as reading like a digit


@torch.no_grad()
def denoising_error(prior: Prior, clean: Tensor) -> dict[str, float]:
    """Mean squared error of D(x_0 + sigma n) per pixel, for images (B, C, H, W), by noise level."""
    return {
        f"{sigma:g}": rmse(_batched(prior, clean, sigma, consistent=False), clean) ** 2 for sigma in DENOISING_LEVELS
    }


@torch.no_grad()
def flow_distance(prior: Prior, clean: Tensor, steps: int) -> dict[str, dict[str, float]]:
    """How far C, and D in one step, are from the end of D's flow, by noise level.

    Args:
        prior: Has a denoiser and a consistency function.
        clean: Images (B, C, H, W).
        steps: Heun steps of the flow.

    Returns:
        {sigma: {rmse_consistency, psnr_consistency, rmse_denoiser, psnr_denoiser}}; PSNR against the peak 2, averaged
        over images.
    """
    rows: dict[str, dict[str, float]] = {}
    for sigma in FLOW_LEVELS:
        parts = noised(clean, sigma, SEED).split(50)
        end = torch.cat([flow_end(prior.denoise, x, sigma, steps) for x in parts])
        row: dict[str, float] = {}
        for name, consistent in (("consistency", True), ("denoiser", False)):
            got = _batched(prior, clean, sigma, consistent=consistent)
            row[f"rmse_{name}"] = rmse(got, end)
            each = (got - end).double().square().flatten(1).mean(1)
            row[f"psnr_{name}"] = float((10 * (4 / each).log10()).mean())
        rows[f"{sigma:g}"] = row
    return rows


def readable(samples: Tensor) -> float:
    """Share of samples (B, 1, 32, 32) to which the digit classifier gives one digit with probability 0.9 or more."""
    logits = DigitClassifier().logits(to_uint8(samples))
    return float((logits.softmax(1).amax(1) >= SURE).double().mean())


def measure(prior: NetworkPrior, output: Path) -> dict[str, object]:
    """All figures of a pair for MNIST, also written as ``output/figures.json``, with pictures of its samples."""
    held_out = first_images(MNIST("validation"), 250)
    train = from_uint8(MNIST("train").training())
    mixture = MixturePrior.from_images(train, std=0.2).to("cpu", torch.float32)
    like = torch.zeros(SAMPLES, *prior.image_shape)
    samples = {
        "consistency-1": sample_consistency(prior.consistency, like, SEED, 1),
        "consistency-2": sample_consistency(prior.consistency, like, SEED, 2),
        "heun-40": sample_heun(prior.denoise, like, SEED, SAMPLING_STEPS),
    }
    figures: dict[str, object] = {
        "denoising_mse": {"network": denoising_error(prior, held_out), "mixture": denoising_error(mixture, held_out)},
        "flow": flow_distance(prior, held_out[:FLOW_IMAGES], FLOW_STEPS),
        "readable": {name: readable(images) for name, images in samples.items()},
        "readable_validation_digits": readable(held_out),
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, images in samples.items():
        write_grid(output / f"mnist-{name}.png", images[:PICTURED], columns=12)
    write_json(output / "figures.json", figures)
    return figures


def _batched(prior: Prior, clean: Tensor, sigma: float, *, consistent: bool) -> Tensor:
    function = prior.consistency if consistent else prior.denoise
    return torch.cat([function(x, sigma) for x in noised(clean, sigma, SEED).split(50)])


if __name__ == "__main__":
    print(json.dumps(measure(NetworkPrior.shipped("mnist"), Path(sys.argv[1])), indent=2))
