"""What a set of restored images is compared with: truths of other images, a training split, published statistics."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mapga.files.fetch import RemoteFile, sha256_of
from mapga.metrics.frechet import covariance_factor, small_factor
from mapga.metrics.moments import check_features

__all__ = [
    "CROSSED",
    "Reference",
    "check_reference",
    "crossed_reference",
    "halves",
    "statistics_file",
    "statistics_reference",
]

CROSSED = "crossed"
_CLEANFID_STATISTICS = "https://www.cs.cmu.edu/~clean-fid/stats/"


@dataclass(frozen=True)
class Reference:
    """The set a distance is measured from.

    Attributes:
        name: What it is, part of every cell's key: ``"crossed halves"``, or a training split or file with its hash.
        n: Number of images, or None where a statistics file does not say.
        mean: Mean of the features, float64 (D,).
        features: Features, float64 (N, D), or None where only statistics are known.
        covariance: Covariance (D, D), or None where it follows from ``features``.
        first: Of crossed halves, where row i of ``features`` is the truth of restored image i: whether it is of the
            first half, bool (N,). An image is compared with the truths of the other half, never with its own.
    """

    name: str
    n: int | None
    mean: np.ndarray
    features: np.ndarray | None = None
    covariance: np.ndarray | None = None
    first: np.ndarray | None = None

    @property
    def parts(self) -> list[tuple[np.ndarray | slice, Reference]]:
        """Rows of the restored images, with what those are compared with; a score is the mean over the parts."""
        if self.first is None or self.features is None:
            return [(slice(None), self)]
        sides = (self.first, ~self.first)
        others = [self.features[other] for other in sides[::-1]]
        return [(rows, Reference(self.name, len(x), x.mean(axis=0), x)) for rows, x in zip(sides, others, strict=True)]

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean)

    @cached_property
    def factor(self) -> np.ndarray:
        """The smaller covariance factor (K, D), computed once.

        Raises:
            ValueError: Fewer than two images.
        """
        if self.covariance is not None:
            return covariance_factor(self.covariance)
        features = self.features
        if features is None or len(features) < 2:
            raise ValueError(f"reference {self.name!r}: a covariance needs at least two images, got {self.n}")
        return small_factor(features)


def check_reference(reference: str) -> None:
    """Refuse anything but ``"crossed"``, ``"training"`` or the name of an ``.npz`` file, by its value."""
    if reference in (CROSSED, "training") or reference.endswith(".npz"):
        return
    own = "distances from an image's own truth say how true it is, not how its set is distributed; "
    raise ValueError(
        f"reference={reference!r}: {own if reference == 'truth' else ''}choose 'crossed' (each half of the images "
        "against the truths of the other), 'training' (the dataset's training split) or a statistics file, .npz with "
        "mu and sigma"
    )


def halves(rows: Sequence[int]) -> np.ndarray:
    """Which of some rows are the first of crossed halves, bool: one of each two neighbours, by the toss of a coin.

    So both halves are as large, whatever kinds of images come in turns; every second row of a balanced set of digits
    would be the even ones against the odd ones. A row's half is the same whichever others were lost.
    """
    numbers = np.asarray(rows, dtype=np.int64)
    coins = np.random.default_rng(0).random(1 + numbers.max(initial=0) // 2) < 0.5
    first: np.ndarray = (numbers % 2 == 1) == coins[numbers // 2]
    return first


def crossed_reference(
    features: np.ndarray,
    *,
    restored_indices: Sequence[int],
    truth_indices: Sequence[int],
    first: np.ndarray | None = None,
) -> Reference:
    """The truths of the restored images, row for row, of which each half is for the images of the other.

    Args:
        features: Of the truths, (N, D).
        restored_indices: Dataset indices of the restored images.
        truth_indices: Dataset indices of the truths.
        first: Which rows are the first half, bool (N,); ``halves`` of them all by default.

    Raises:
        ValueError: The truths are not those of the restored images, in their order.
    """
    restored, truth = list(restored_indices), list(truth_indices)
    if restored != truth:
        absent = sorted(set(restored) ^ set(truth))
        detail = f"indices {absent[:5]} are in one set only" if absent else "the order differs"
        raise ValueError(
            f"{len(truth)} true images do not match {len(restored)} restored ones: {detail}; "
            "leave failed images out of both"
        )
    features = check_features(features, what="features of the true images")
    if len(features) != len(truth):
        raise ValueError(f"{len(features)} rows of features for {len(truth)} true images; keep one row an image")
    first = halves(range(len(features))) if first is None else first
    return Reference("crossed halves", len(features), features.mean(axis=0), features, first=first)


def statistics_file(reference: str) -> RemoteFile:
    """The statistics file that a metric's ``reference`` names.

    A bare name that is no file here is looked for among those clean-fid publishes, e.g.
    ``lsun_cat_clean_train_256.npz`` (clean-fid states no hashes: the key of each cell holds the one found).
    """
    key = Path(reference).stem
    url = _CLEANFID_STATISTICS + Path(reference).name
    published = RemoteFile(key, f"statistics/{Path(reference).name}", url, sha256=None)
    if Path(reference).expanduser().exists() or Path(reference).name != reference:
        return published.at(reference)
    return published


def statistics_reference(path: str | Path) -> Reference:
    """Mean and covariance from an ``.npz`` with ``mu`` (D,) and ``sigma`` (D, D).

    That is what clean-fid, EDM's ``fid-refs`` and OpenAI's reference batches hold; other arrays in the
    file are not read. Statistics only mean something with the extractor that made them: ``fid_clean`` for
    clean-fid's ``clean``, ``fid_legacy`` for EDM's, OpenAI's and clean-fid's ``legacy_tensorflow``.

    Raises:
        ValueError: No such arrays, other shapes, values that are not finite, or a file that is no ``.npz``.
    """
    path = Path(path).expanduser()
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = sorted(archive.files)
            if not {"mu", "sigma"} <= set(found):
                raise ValueError(f"{path}: holds {found}; a statistics file holds mu and sigma")
            mean, covariance = (archive[name].astype(np.float64) for name in ("mu", "sigma"))
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a readable .npz file ({error})") from None
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(f"{path}: mu {mean.shape} and sigma {covariance.shape}; expected (D,) and (D, D)")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError(f"{path}: statistics hold NaN or infinity")
    return Reference(f"{path.name}@{sha256_of(path)[:8]}", None, mean, covariance=covariance)
