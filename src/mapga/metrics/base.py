"""What a metric is: a number per image (ImageMetric), or a number per set (SetMetric).

Every metric reads the stored uint8 pictures, never the solver's floats, so that a number can be computed
again from the files of a run. Names carry the protocol (network, resizing, window), because numbers of two
protocols must not meet in one column.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import RemoteFile
from mapga.files.need import Need
from mapga.metrics.extractors.networks import not_installed
from mapga.metrics.reference import Reference
from mapga.metrics.statistics import Interval
from mapga.shown import Shown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = [
    "Decomposed",
    "ImageMetric",
    "Measured",
    "Measuring",
    "Metric",
    "Scored",
    "SetMetric",
    "SetScore",
    "check_images",
]


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


@dataclass(frozen=True)
class SetScore:
    """The value of a set metric and the protocol it was computed by.

    Attributes:
        value: The distance.
        n: Number of restored images in it.
        key: Flavour, N and reference, e.g. ``"fid_clean|n=1000|reference=crossed halves"``: cells of different keys
            measure different things and may not share a column.
        notes: What a reader must know, e.g. that the value is biased at this N.
    """

    value: float
    n: int
    key: str
    notes: tuple[str, ...] = ()


class Metric(Shown, ABC):
    """What both kinds share.

    Attributes:
        card: What the suite asks of it.
        name: Column name; the protocol is in it.
        lower_is_better: Direction.
        needs_problem: Whether it compares with the measurement too.
        needs_posterior: Whether it compares with the exact posterior, so that the prior must have one.
        libraries: Packages that it works with, all of the extra ``extra``.
        device: Where its network computes; metrics without one stay on the CPU.
    """

    card: ClassVar[MetricCard]
    name: str
    lower_is_better: bool
    needs_problem: ClassVar[bool] = False
    needs_posterior: ClassVar[bool] = False
    libraries: tuple[str, ...] = ()
    extra: ClassVar[str] = "metrics"
    device: str = "cpu"

    def files(self) -> list[RemoteFile]:
        """Files from elsewhere that it works with; those in a package, once that is installed."""
        return []

    def weight_hashes(self) -> dict[str, str]:
        """SHA-256, as far as it is known here, of each file that its numbers depend on, by the file's key."""
        return {file.key: digest for file in self.files() if (digest := file.known_sha256()) is not None}

    def uninstalled(self) -> list[str]:
        """One line for each of its libraries that is not there, with the command that installs it."""
        return not_installed(self.libraries, extra=self.extra, needed_by=self.name)

    def needs(self) -> list[Need]:
        """All that it works with from elsewhere: libraries that are not there, and files, here or not."""
        key = f"metric {self.name}"
        libraries = [Need(key, line, line) for line in self.uninstalled()]
        return libraries + [Need.of_file(key, file) for file in self.files()]

    def missing(self) -> list[str]:
        """What must be fetched or installed before it can work, each with its source; [] if ready."""
        return [need.problem for need in self.needs() if need.problem is not None]

    def objection(self, image_shape: tuple[int, int, int], *, labelled: bool) -> str | None:
        """Why it cannot score a dataset's images (C, H, W), with labels or without, in one line; None if it can."""
        return None

    def check(self, images: np.ndarray, *, labelled: bool = True) -> None:
        """Refuse images (B, H, W, C) that it cannot score.

        Raises:
            ValueError: What ``objection`` says.
        """
        _, height, width, channels = images.shape
        if wrong := self.objection((channels, height, width), labelled=labelled):
            raise ValueError(wrong)

    def to(self, device: torch.device | str) -> Self:
        """Compute on ``device`` from now on."""
        self.device = str(device)
        return self


class ImageMetric(Metric):
    """One number per image."""

    @abstractmethod
    def __call__(self, batch: Scored) -> np.ndarray:
        """float64 (B,): each image's number, whatever else is in the batch."""

    def ceiling(self, image_shape: tuple[int, int, int]) -> float | None:
        """What an infinite number counts as in a mean over images of a shape (C, H, W); None where none is infinite."""
        return None

    def floor(self, operator: Measuring) -> float | None:
        """What rounding an exact answer to 8 bits costs by itself; None where nobody knows, or it is no matter."""
        return None


class SetMetric(Metric):
    """One number per set of images, from features that are kept image by image.

    Attributes:
        reference: What the set is compared with: ``"crossed"``, ``"training"`` or a statistics file.
        flavour: Name of the extractor and its resizing; metrics of one flavour have the same features.
        needs_features: Whether ``compare`` needs the reference's features, not only mean and covariance.
    """

    reference: str
    flavour: str
    needs_features: ClassVar[bool]

    @abstractmethod
    def features(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, C) -> features (B, D), each row a function of its own image."""

    @abstractmethod
    def extractor_hash(self) -> str:
        """Hash of whatever the features depend on besides the images: network weights, resizing."""

    @abstractmethod
    def interval(self, restored: np.ndarray, reference: Reference) -> Interval:
        """The bootstrap interval of ``compare`` over images."""

    @abstractmethod
    def influence(self, restored: np.ndarray, reference: Reference) -> np.ndarray:
        """What each image adds to ``compare``, float64 (N,) of mean 0, whose mean spreads as the score does."""

    @abstractmethod
    def compare(self, restored: np.ndarray, reference: Reference) -> SetScore:
        """The distance of features (N, D) from a reference.

        Raises:
            ValueError: Features that are not (N, D), not finite, fewer than two, or of another width than the
                reference's.
        """
