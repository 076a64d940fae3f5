"""What the runs of a problem share: truth and measurements, row for row, and the checksums of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mapga.files.durable import creating
from mapga.files.jsonl import JSONLines
from mapga.records.store import ImageStore, checksum

__all__ = ["Measured", "Noted"]


@dataclass(frozen=True)
class Noted:
    """What is noted of a row; the later of two lines counts.

    Attributes:
        row: Its place in ``truth.npy`` and ``measurement.npy``.
        truth, measurement: CRC-32 of the pixels; both None if the picture could not be read.
    """

    row: int
    truth: int | None
    measurement: int | None


class Measured:
    """``problems/<id>``: ``truth.npy``, ``measurement.npy`` and ``checksums.jsonl``, a line a row that is in both.

    ``unseen.npy``, bool (H, W), says which pixels of every measurement are unknown; it is not there if none is.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.truth_path, self.measurement_path = folder / "truth.npy", folder / "measurement.npy"
        self._unseen_path = folder / "unseen.npy"
        self._log = JSONLines(folder / "checksums.jsonl")
        self._stores: list[ImageStore] = []

    def create(self, shape: tuple[int, int, int, int]) -> Self:
        """The same, with both files there, of full size, and open for writing.

        Raises:
            DamagedError, OSError: As ``ImageStore.create``.
        """
        self._stores = [ImageStore.create(path, shape) for path in (self.truth_path, self.measurement_path)]
        return self

    def mark(self, unseen: np.ndarray) -> None:
        """Note, once, which pixels of every measurement are unknown, bool (H, W)."""
        if unseen.any() and not self._unseen_path.exists():
            with creating(self._unseen_path) as neighbour, neighbour.open("wb") as file:
                np.save(file, unseen)

    def unseen(self) -> np.ndarray | None:
        """What was marked; None if nothing is unknown, or the problem is of a version that marked nothing."""
        try:
            found = np.load(self._unseen_path, allow_pickle=False)
            whole = ImageStore.open(self.measurement_path).shape[1:3]
        except (OSError, ValueError, EOFError):
            return None
        return found if (found.dtype, found.shape) == (np.bool_, whole) else None

    def lines(self) -> list[Noted]:
        """Everything that was ever noted, in that order; what is no line of ours is passed over."""
        found = []
        for record in self._log.read():
            try:
                found.append(Noted(**record))
            except TypeError:
                continue
        return found

    def noted(self) -> dict[int, Noted]:
        """The rows that are in both files, as far as checksums were taken."""
        last = {one.row: one for one in self.lines()}
        return {row: one for row, one in last.items() if one.truth is not None}

    def damaged(self, rows: Iterable[int], *, quick: bool = False) -> list[int]:
        """Those of some rows whose pixels, in either file, are not the ones that were noted.

        Args:
            rows: To be looked at, as far as they are noted.
            quick: Only those of ``ImageStore.sample``.

        Raises:
            DamagedError, OSError: As ``ImageStore.open``.
        """
        noted, stores = self.noted(), [ImageStore.open(path) for path in (self.truth_path, self.measurement_path)]
        looked_at = stores[0].sample() if quick else range(len(stores[0]))
        known = [row for row in rows if row in noted and row in looked_at]
        truth, measurement = (store.checksums(known) for store in stores)
        return [row for row in known if (truth[row], measurement[row]) != (noted[row].truth, noted[row].measurement)]

    def write(self, rows: Sequence[int], truth: np.ndarray, measurement: np.ndarray) -> None:
        """Put both images of some rows on disk, then note their checksums.

        Raises:
            ValueError, OSError: As ``ImageStore.write``.
        """
        for store, images in zip(self._stores, (truth, measurement), strict=True):
            store.write(rows, images)
        pairs = zip(rows, truth, measurement, strict=True)
        self._log.append(asdict(Noted(row, checksum(x), checksum(y))) for row, x, y in pairs)

    def unreadable(self, rows: Iterable[int]) -> None:
        """Note that the pictures of some rows could not be read."""
        self._log.append(asdict(Noted(row, None, None)) for row in rows)
