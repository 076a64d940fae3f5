"""Which images of a run are recorded: a line of a journal, and the pixels that it vouches for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mapga.records.journal import Journal, Row
from mapga.records.store import ImageStore

__all__ = ["Recorded", "read_recorded"]


@dataclass(frozen=True)
class Recorded:
    """Which rows of a run are recorded.

    Attributes:
        rows: In order, by number.
        total: Rows of the run.
        damaged: Those that a journal names, but whose stored pixels are not the ones that it vouches for.
    """

    rows: dict[int, Row]
    total: int
    damaged: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.total


def read_recorded(folder: Path, total: int, *, quick: bool = False) -> Recorded:
    """What all journals of a run's folder hold, of whatever shard, and ``images.npy`` has as they say.

    Of several lines of a row the last counts whose pixels are those in the store, and one of a restored image before
    one of a failed.

    Args:
        folder: The run's.
        total: Rows of the run.
        quick: Compare the pixels of ``ImageStore.sample`` alone; the others are believed.

    Raises:
        DamagedError: The store is there, but not whole.
    """
    lines = [row for path in sorted(folder.glob("journal*.jsonl")) for row in Journal(path).rows() if row.row < total]
    sound = _soundness(folder / "images.npy", {row.row for row in lines if row.status != "failed"}, quick)
    rows: dict[int, Row] = {}
    for row in lines:
        if row.status == "failed":
            rows.setdefault(row.row, row)
        elif sound(row):
            rows[row.row] = row
    damaged = {row.row for row in lines} - rows.keys()
    return Recorded({key: rows[key] for key in sorted(rows)}, total, sorted(damaged))


def _soundness(path: Path, rows: set[int], quick: bool) -> Callable[[Row], bool]:
    """Whether a store holds what a line of one of these rows vouches for."""
    if not path.exists():
        return lambda row: False
    store = ImageStore.open(path)
    found = store.checksums(sorted(rows & set(store.sample()) if quick else rows))
    return lambda row: (quick and row.row not in found) or row.vouches(found[row.row], store.blank)
