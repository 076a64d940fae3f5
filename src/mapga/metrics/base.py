"""What a metric is: a number per image (ImageMetric), or a number per set (SetMetric).

Every metric reads the stored uint8 pictures, never the solver's floats, so that a number can be computed
again from the files of a run. Names carry the protocol (network, resizing, window), because numbers of two
protocols must not meet in one column.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from mapga.card import MetricCard
from mapga.files.fetch import RemoteFile
from mapga.files.need import Need
from mapga.metrics.extractors.networks import not_installed
from mapga.metrics.reference import Reference
from mapga.metrics.scored import Measuring, Scored
from mapga.metrics.statistics import Interval
from mapga.shown import Shown

if TYPE_CHECKING:
    import torch


__all__ = [
    "ImageMetric",
    "Metric",
    "SetMetric",
    "SetScore",
]


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
