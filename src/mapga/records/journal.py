"""The journal: one JSON line an image, appended when the image's pixels are safe on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mapga.files.durable import append_text

__all__ = ["Journal", "Row"]

_STATUSES = ("done", "diverged", "failed")


@dataclass(frozen=True)
class Row:
    """What is known of one image of a run.

    Attributes:
        row: Its place in ``images.npy``.
        index: Its index in the dataset.
        label: Its class, or None.
        status: ``"done"``; ``"diverged"``: the solver produced NaN or infinity; ``"failed"``: it could not be read.
        step: For a diverged image, the solver's step at which it happened (from 1).
        metrics: Name -> number; empty unless done.
    """

    row: int
    index: int
    label: int | None
    status: Literal["done", "diverged", "failed"]
    step: int | None
    metrics: dict[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Journal:
    """An append-only file of rows. A torn last line (a killed process) counts as not written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows durably, in one write, so that a kill leaves all of them or none."""
        append_text(self.path, "".join(json.dumps(row.as_dict(), allow_nan=False) + "\n" for row in rows))

    def rows(self) -> Iterator[Row]:
        """Every whole row, in the order written."""
        for row, _ in self.read():
            if row is not None:
                yield row

    def read(self) -> Iterator[tuple[Row | None, str]]:
        """Every line with its row, or None where a line cannot be read."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.strip():
                    yield _parse(line), line


def _parse(line: str) -> Row | None:
    try:
        row = Row(**json.loads(line))
    except (ValueError, TypeError):
        return None
    sound = isinstance(row.row, int) and row.row >= 0 and row.status in _STATUSES and isinstance(row.metrics, dict)
    return row if sound else None
