"""Training images and the small affine maps that make more of them.

Which images a step sees, and how they are turned, is a function of (seed, step, process) alone, so a resumed
training sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from mapga.datasets import Dataset

__all__ = ["ImageSource", "affine", "step_generator"]

_IN_MEMORY = 2**30  # bytes of images that are kept; larger datasets are read again at every step


def step_generator(seed: int, stream: str, step: int, process: int = 0) -> torch.Generator:
    """A CPU generator that depends on its arguments only."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}/{process}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def affine(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Small random affine maps of three images in four, bicubic, black (-1) outside.

    Args:
        images: (B, C, H, W) in [-1, 1].
        strength: Largest rotation and shear in degrees, scaling in percent, half the shift in 1/8 pixel.
        generator: Where the maps come from.
    """
    count, size = len(images), images.shape[-1]
    drawn = (2 * torch.rand(count, 6, generator=generator) - 1) * strength
    drawn[torch.rand(count, generator=generator) < 0.25] = 0
    angle, shear = drawn[:, 0] * math.pi / 180, drawn[:, 1] * math.pi / 180
    scale_x, scale_y = 1 + drawn[:, 2] / 100, 1 + drawn[:, 3] / 100
    shift = drawn[:, 4:] / 8 * (2 / size) / 2
    rows = [
        scale_x * angle.cos(),
        -scale_x * (angle + shear).sin(),
        shift[:, 0],
        scale_y * angle.sin(),
        scale_y * (angle + shear).cos(),
        shift[:, 1],
    ]
    theta = torch.stack(rows, dim=1).reshape(count, 2, 3)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images + 1, grid, mode="bicubic", align_corners=False)
    return (moved - 1).clamp(-1, 1)


class ImageSource:
    """Batches of training images.

    Args:
        dataset: The training images, all of one shape.
        seed: The training's seed.
        batch: Images a batch of one process.
        augment: Strength of the affine maps, 0 for none.
        flip: Whether images are mirrored at random.
        process: This process among ``processes``.
    """

    def __init__(
        self, dataset: Dataset, *, seed: int, batch: int, augment: float, flip: bool, process: int = 0
    ) -> None:
        self.shape = dataset.image_shape
        self.seed, self.batch, self.augment, self.flip, self.process = seed, batch, augment, flip, process
        self._dataset = dataset
        held = len(dataset) * math.prod(self.shape) <= _IN_MEMORY
        self._images = np.stack([dataset[i].image for i in range(len(dataset))]) if held else None

    def images(self, step: int, count: int | None = None, stream: str = "images") -> Tensor:
        """Images (count, C, H, W) in [-1, 1], float32 on the CPU, for a step; ``batch`` of them by default."""
        generator = step_generator(self.seed, stream, step, self.process)
        count = self.batch if count is None else count
        chosen = torch.randint(len(self._dataset), (count,), generator=generator)
        images = self._read(chosen)
        if self.flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            images[mirrored] = images[mirrored].flip(-1)
        return affine(images, self.augment, generator) if self.augment else images

    def labelled(self, step: int) -> tuple[Tensor, Tensor]:
        """As ``images``, with their labels (B,)."""
        generator = step_generator(self.seed, "images", step, self.process)
        chosen = torch.randint(len(self._dataset), (self.batch,), generator=generator)
        labels = [self._dataset[int(i)].label for i in chosen]
        if any(label is None for label in labels):
            raise ValueError("train.stage='classifier' needs a dataset with labels, such as dataset=mnist")
        images = self._read(chosen)
        return affine(images, self.augment, generator) if self.augment else images, torch.tensor(labels)

    def _read(self, chosen: Tensor) -> Tensor:
        indices = chosen.tolist()
        pixels = (
            np.stack([self._dataset[i].image for i in indices])
            if self._images is None
            else self._images[np.array(indices)]
        )
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
