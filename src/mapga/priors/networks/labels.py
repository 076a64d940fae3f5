"""Which class each image is given to a class-conditional network: the dataset's, a random one, or one for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mapga.lazy import torch
from mapga.rng import generator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Labels", "Which"]

Which = int | Literal["truth", "random"]


@dataclass(frozen=True)
class Labels:
    """The classes that images are restored with.

    Args:
        which: ``truth``, the dataset's; ``random``, one per image, of its index and the seed; one number for all; None
            for networks without classes.
        classes: Number of classes of the networks, None if they have none.
        dataset_classes: Number of classes of the dataset, None if it has no labels.
        called: What messages call the networks.
        seed: Of random labels.

    Raises:
        ValueError: Labels that do not fit the networks or the dataset.
    """

    which: Which | None
    classes: int | None
    dataset_classes: int | None
    called: str
    seed: int = 0

    def __post_init__(self) -> None:
        which, classes = self.which, self.classes
        if classes is None:
            if which is not None:
                raise ValueError(f"prior.labels={which}: {self.called} networks take no class; set it to null")
            return
        if which is None:
            raise ValueError(f"prior.labels is null: {self.called} needs truth, random or 0..{classes - 1}")
        if isinstance(which, int) and not 0 <= which < classes:
            raise ValueError(f"prior.labels={which}: choose 0..{classes - 1}, truth or random")
        if which == "truth" and self.dataset_classes != classes:
            has = "no labels" if self.dataset_classes is None else f"{self.dataset_classes} classes"
            raise ValueError(
                f"prior.labels=truth: the networks know {classes} classes, the dataset has {has}; "
                "set prior.labels=random or to one class"
            )

    def of(self, indices: Sequence[int], true: Tensor | None) -> Tensor | None:
        """Those of images with these indices and true labels, int64 (B,).

        A random label is a function of the seed and the image's index alone.
        """
        if self.which is None or self.classes is None or self.which == "truth":
            return true
        if self.which == "random":
            drawn = [int(generator(self.seed, "label", index).integers(self.classes)) for index in indices]
            return torch.tensor(drawn, dtype=torch.int64)
        return torch.full((len(indices),), int(self.which), dtype=torch.int64)
