"""The journal: one JSON line an image, what was restored, appended when the image's pixels are safe on disk."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mapga.files.jsonl import JSONLines

__all__ = ["Journal", "Row", "row_of", "seal"]

_STATUSES = ("done", "diverged", "failed")


@dataclass(frozen=True, slots=True)  # there may be 50,000
class Row:
    """What is known of one image of a run.

    Attributes:
        row: Its place in ``images.npy``.
        index: Its index in the dataset.
        label: Its class, or None.
        status: ``"done"``; ``"diverged"``: the solver produced NaN or infinity; ``"failed"``: it could not be read.
        step: For a diverged image, the solver's step at which it happened (from 1).
        metrics: Name -> number, in journals of older versions; today's numbers are in ``scores.jsonl``.
        crc: CRC-32 of its stored pixels; None of a failed image, and in journals of older versions.
    """

    row: int
    index: int
    label: int | None
    status: Literal["done", "diverged", "failed"]
    step: int | None
    metrics: dict[str, float | None] = field(default_factory=dict)
    crc: int | None = None

    def vouches(self, crc: int, blank: int) -> bool:
        """Whether stored pixels with this checksum are the recorded ones; ``blank`` is that of pixels never written.

        A line without checksum is believed, unless a restored image is blank.
        """
        if self.crc is None:
            return crc != blank or self.status == "diverged"
        return crc == self.crc

    def as_dict(self) -> dict[str, Any]:
        """What is written; numbers only where an older version wrote some."""
        return {key: value for key, value in asdict(self).items() if key != "metrics" or value}


def seal(rows: Iterable[Row]) -> int:
    """CRC-32 of the checksums of all restored rows: what a set's number is of."""
    return zlib.crc32(json.dumps(sorted((row.row, row.crc) for row in rows if row.status == "done")).encode())


class Journal:
    """An append-only file of rows. A torn last line (a killed process) counts as not written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = JSONLines(path)

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows durably, in one write, so that a kill leaves all of them or none."""
        self._log.append(row.as_dict() for row in rows)

    def rows(self) -> Iterator[Row]:
        """Every whole row, in the order written; what is no row is passed over."""
        for record in self._log.read():
            if (row := row_of(record)) is not None:
                yield row


def row_of(record: Mapping[str, Any]) -> Row | None:
    """The row that a line holds; None if it holds none."""
    try:
        row = Row(**record)
    except TypeError:
        return None
    sound = isinstance(row.row, int) and row.row >= 0 and isinstance(row.index, int) and row.status in _STATUSES
    return row if sound and isinstance(row.metrics, dict) else None
