"""Images as the library hands them about: float tensors (N, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["Images", "batch_of"]

_SLACK = 1e-3  # beyond [-1, 1], of images that were computed
_KEEPING = ("to", "cpu", "cuda", "float", "double", "clone", "detach")  # what leaves every image the image it is


class Images(Tensor):
    """A tensor that knows which images of a dataset it holds; whatever is computed of it is a plain tensor.

    Rows of it (``images[3]``, ``images[10:20]``), copies, and the same in another dtype or on another device know it
    too.

    Attributes:
        numbers: Of each image its place in the whole dataset, by which its noise goes.
        labels: int64 (N,) on the CPU, in the order that priors use; None where the dataset has none.
        source: What they were loaded from, for people to read.
    """

    numbers: tuple[int, ...]
    labels: Tensor | None
    source: str

    @classmethod
    def of(cls, pixels: Tensor, numbers: Sequence[int], labels: Tensor | None, source: str) -> Self:
        images = pixels.as_subclass(cls)
        images.numbers, images.labels, images.source = tuple(numbers), labels, source
        return images

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _KEEPING and isinstance(args[0], cls) and isinstance(result, Tensor):
            return cls.of(result, args[0].numbers, args[0].labels, args[0].source)
        return result

    def __getitem__(self, rows: Any) -> Tensor:
        part = super().__getitem__(rows)
        if isinstance(rows, tuple):  # of pixels too
            return part
        chosen = np.atleast_1d(np.arange(len(self.numbers))[rows])
        labels = None if self.labels is None else self.labels[torch.from_numpy(chosen)]
        return Images.of(part, [self.numbers[k] for k in chosen], labels, self.source)

    def __repr__(self) -> str:  # type: ignore[override]
        kind = f"{tuple(self.shape)}, {self.dtype}, {self.device}"
        return f"<{len(self.numbers)} images of {self.source}: {kind}, numbers {list(self.numbers)}>"


def batch_of(images: Tensor | np.ndarray, what: str = "images") -> Tensor:
    """Images as a batch (B, C, H, W); a single one (C, H, W) as a batch of one.

    Raises:
        ValueError: Another shape, another range, no floats, or none at all.
    """
    x = torch.as_tensor(images).as_subclass(Tensor)
    shape = tuple(x.shape)
    if not x.is_floating_point():
        raise ValueError(f"{what}: {x.dtype} is no float; images are in [-1, 1] (mapga.pixels.from_uint8 makes such)")
    if x.ndim not in (3, 4) or not x.numel():
        raise ValueError(f"{what}: (N, C, H, W) is wanted, or (C, H, W) for a single image, got {shape}")
    low, high = (float(bound) for bound in x.detach().aminmax())
    if not (low >= -1 - _SLACK and high <= 1 + _SLACK):
        raise ValueError(f"{what}: values in [{low:g}, {high:g}], and images are in [-1, 1]; scale them first")
    return x if x.ndim == 4 else x[None]
