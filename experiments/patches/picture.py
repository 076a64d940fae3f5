"""docs/images/patches.webp: samples of the patch prior, a photograph denoised, and its posterior behind a box.

    python experiments/patches/picture.py docs/images/patches.webp

The photograph is scikit-image's cat (CC0), which the mixture was not fitted on.
"""

from __future__ import annotations

import argparse

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor

from mapga.operators import CentralBox, Identity
from mapga.pixels import from_uint8, to_uint8
from mapga.posteriors import exact_posterior
from mapga.priors import PatchesPrior
from mapga.problem import measure

SIZE = 96


def photograph() -> Tensor:
    """The cat's face, (1, 3, 96, 96)."""
    face = Image.fromarray(skimage.data.chelsea()[20:260, 110:350]).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return from_uint8(np.asarray(face)[None]).double()


def psnr(image: Tensor, truth: Tensor) -> str:
    return f"{10 * float(torch.log10(4 / (image.clamp(-1, 1) - truth).square().mean())):.1f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    prior, truth = PatchesPrior.fitted((3, SIZE, SIZE)), photograph()
    samples = prior.sample(range(5), seed=0)
    rows = [[("samples of the prior" if k == 0 else "", samples[k : k + 1]) for k in range(5)]]
    denoising = [("photograph", truth)]
    for sigma in (0.2, 0.8):
        noisy = measure(truth, Identity((3, SIZE, SIZE)), sigma, seed=0, indices=[0]).y
        restored = prior.denoise(noisy, sigma)
        denoising += [(f"noise {sigma}", noisy), (f"D: {psnr(restored, truth)}", restored)]
    rows.append(denoising)
    problem = measure(truth, CentralBox((3, SIZE, SIZE), 0.25), 0.05, seed=0, indices=[0])
    posterior = exact_posterior(problem, prior)
    first, second = posterior.sample(2, seed=0, indices=[0])[0]
    mode = posterior.mode.image
    mean = posterior.mean()
    rows.append([("a box is unseen", problem.y), (f"posterior mean: {psnr(mean, truth)}", mean)])
    rows[-1] += [(f"mode: {psnr(mode, truth)}", mode), ("a posterior sample", first[None]), ("another", second[None])]
    figure, axes = plt.subplots(len(rows), 5, figsize=(7.5, 5.0), layout="constrained")
    for line, cells in zip(axes, rows, strict=True):
        for place, (name, image) in zip(line, cells, strict=True):
            place.imshow(to_uint8(image)[0], interpolation="nearest")
            place.set_title(name, fontsize=8, loc="left", pad=3)
            place.set_axis_off()
    figure.savefig(parser.parse_args().output, dpi=110, pil_kwargs={"quality": 76})


if __name__ == "__main__":
    main()
