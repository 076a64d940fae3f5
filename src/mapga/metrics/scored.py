"""What a metric of images is given: answers and truths as they lie on disk, and what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = ["Decomposed", "Measured", "Measuring", "Scored", "check_images"]


class Measuring(Protocol):
    """The part of an operator that a metric needs."""

    @property
    def n_measurements(self) -> int:
        """m, the number of measured values per image."""

    def apply(self, x: Tensor) -> Tensor:
        """A x for images (B, C, H, W) in [-1, 1]."""


@runtime_checkable
class Decomposed(Measuring, Protocol):
    """One with a singular value decomposition."""

    @property
    def singular_values(self) -> Tensor:
        """s, (1, C, H, W), zero where nothing is seen."""


class Measured(Protocol):
    """The part of a problem that a metric needs: y (B, ...), the operator it was measured with, images' indices."""

    @property
    def y(self) -> Tensor: ...

    @property
    def operator(self) -> Measuring: ...

    @property
    def sigma_y(self) -> float: ...

    @property
    def numbers(self) -> Sequence[int]: ...


def check_images(images: np.ndarray, *, what: str) -> None:
    """Refuse anything but uint8 (B, H, W, C) with C = 1 or 3.

    Raises:
        TypeError: Another dtype, with the range found: floats have no declared scale.
        ValueError: Another shape.
    """
    if images.dtype != np.uint8:
        span = f" in [{images.min():g}, {images.max():g}]" if images.size and images.dtype.kind in "fiu" else ""
        raise TypeError(
            f"{what}: metrics read stored uint8 images, got {images.dtype}{span}; "
            "convert [-1, 1] floats with mapga.pixels.to_uint8"
        )
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape[1:]:
        raise ValueError(f"{what}: expected shape (B, H, W, C) with C = 1 or 3, got {images.shape}")


@dataclass(frozen=True)
class Scored:
    """One batch of answers as they are on disk.

    Where a task cannot tell images apart (phase retrieval: a picture and its 180 degree rotation), each answer is
    handed over as the one of them that is nearest its truth in squared error; metrics of sets read what is on disk.

    Attributes:
        restored: uint8 (B, H, W, C).
        truth: uint8 (B, H, W, C), row for row the truth of ``restored``.
        labels: int64 (B,), or None.
        problem: What was measured (``.y``, ``.operator``, ``.sigma_y``), or None. Never the truth.
        posteriors: p(x | y), of each image its own in float64, or None where no metric asks.

    Raises:
        TypeError: Images that are not uint8.
        ValueError: Restored and true images, or labels, that do not match in number or size.
    """

    restored: np.ndarray
    truth: np.ndarray
    labels: np.ndarray | None = None
    problem: Measured | None = None
    posteriors: Sequence[Exact] | None = None

    def __post_init__(self) -> None:
        check_images(self.restored, what="restored images")
        check_images(self.truth, what="true images")
        if self.restored.shape != self.truth.shape:
            raise ValueError(
                f"restored images {self.restored.shape} and true images {self.truth.shape} differ in shape; "
                "score each image against the truth of the same index"
            )
        if self.labels is not None and self.labels.shape != (len(self.restored),):
            raise ValueError(f"labels of shape {self.labels.shape} for {len(self.restored)} images; give one an image")

    def __len__(self) -> int:
        return len(self.restored)
