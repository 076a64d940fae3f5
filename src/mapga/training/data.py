"""Training images and the small affine maps that make more of them.

Which images a step sees, and how they are turned, is a function of (seed, step) alone. A resumed training
sees what an uninterrupted one would have seen, and several processes share one batch: each takes its part of it.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from mapga.datasets.base import Dataset
from mapga.pixels import from_uint8

__all__ = ["ImageSource", "draw_affine", "first_images", "step_generator", "warp"]

_IN_MEMORY = 2**30  # bytes of images that are kept; larger datasets are read again at every step


def step_generator(seed: int, stream: str, step: int) -> torch.Generator:
    """A CPU generator that depends on its arguments only."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def draw_affine(count: int, size: int, strength: float, generator: torch.Generator) -> Tensor:
    """Small random affine maps (count, 2, 3); one in four is the identity.

    Args:
        count: How many.
        size: Height and width of the images.
        strength: Largest rotation and shear in degrees, scaling in percent, half the shift in 1/8 pixel.
        generator: Where the maps come from.
    """
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
    return torch.stack(rows, dim=1).reshape(count, 2, 3)


def warp(images: Tensor, theta: Tensor) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] under affine maps (B, 2, 3): bicubic, black (-1) outside."""
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images + 1, grid, mode="bicubic", align_corners=False)
    return (moved - 1).clamp(-1, 1)


def first_images(dataset: Dataset, count: int) -> Tensor:
    """The first ``count`` images of a dataset, or all, (B, C, H, W) in [-1, 1], float32."""
    pixels = np.stack([dataset[i].image for i in range(min(count, len(dataset)))])
    return from_uint8(pixels).float()


class ImageSource:
    """Batches of training images.

    Args:
        dataset: The training images, all of one shape.
        seed: The training's seed.
        augment: Strength of the affine maps, 0 for none.
        flip: Whether images are mirrored at random.
        process: This process among ``processes``; it reads its part of every batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int,
        augment: float = 0.0,
        flip: bool = False,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.shape, self.seed, self.augment, self.flip = dataset.image_shape, seed, augment, flip
        self.process, self.processes = process, processes
        self._dataset = dataset
        held = len(dataset) * math.prod(self.shape) <= _IN_MEMORY
        self._images = np.stack([dataset[i].image for i in range(len(dataset))]) if held else None

    def part(self, whole: Tensor) -> Tensor:
        """This process' rows of something drawn for the whole batch.

        Raises:
            ValueError: Rows that cannot be shared evenly.
        """
        if len(whole) % self.processes:
            raise ValueError(
                f"a batch or pool of {len(whole)} cannot be shared evenly by {self.processes} processes; "
                "choose multiples for train.batch, train.trajectory_pool and the parts of a batch"
            )
        each = len(whole) // self.processes
        return whole[self.process * each : (self.process + 1) * each]

    def normal(self, count: int, generator: torch.Generator) -> Tensor:
        """This process' part of standard normal noise (count, C, H, W)."""
        return self.part(torch.randn(count, *self.shape, generator=generator))

    def images(self, step: int, count: int, stream: str = "images") -> Tensor:
        """This process' part of ``count`` images (C, H, W) in [-1, 1], float32 on the CPU, for one step."""
        generator = step_generator(self.seed, stream, step)
        return self._seen(torch.randint(len(self._dataset), (count,), generator=generator), generator)

    def labelled(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        """As ``images``, with their labels.

        Raises:
            ValueError: The dataset has no labels.
        """
        generator = step_generator(self.seed, "images", step)
        chosen = torch.randint(len(self._dataset), (count,), generator=generator)
        labels = [self._dataset[i].label for i in self.part(chosen).tolist()]
        if any(label is None for label in labels):
            raise ValueError("train.stage='classifier' needs a dataset with labels, such as dataset=mnist")
        return self._seen(chosen, generator), torch.tensor(labels)

    def _seen(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """This process' part of the chosen images, mirrored and warped."""
        images = self._read(self.part(chosen))
        if self.flip:
            mirrored = self.part(torch.rand(len(chosen), generator=generator) < 0.5)
            images[mirrored] = images[mirrored].flip(-1)
        if self.augment:
            maps = draw_affine(len(chosen), self.shape[-1], self.augment, generator)
            images = warp(images, self.part(maps))
        return images

    def _read(self, chosen: Tensor) -> Tensor:
        indices = chosen.tolist()
        pixels = (
            np.stack([self._dataset[i].image for i in indices])
            if self._images is None
            else self._images[np.array(indices)]
        )
        return from_uint8(pixels).float()
