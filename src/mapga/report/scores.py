"""The per-image numbers of a run, from its journal, as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mapga.files.jsonl import JSONLines
from mapga.records.collect import Run

__all__ = ["Scores", "read_scores"]


@dataclass(frozen=True)
class Scores:
    """What a journal says of the images of a run.

    Attributes:
        index: Dataset indices of the restored images, ascending, int64 (n,).
        row: Their places in ``images.npy``, int64 (n,).
        values: For each metric by name float64 (n,); infinite for a perfect image, NaN where there is no number.
        ceilings: What an infinite number counts as, for the metrics that have some.
        lost: Dataset indices of the images that diverged or could not be read.
        unreadable: Of these, those that could not be read.
    """

    index: np.ndarray
    row: np.ndarray
    values: dict[str, np.ndarray]
    ceilings: dict[str, float]
    lost: np.ndarray
    unreadable: np.ndarray

    def at(self, index: np.ndarray, metric: str) -> np.ndarray:
        """A metric's numbers at ascending dataset indices, as they count in a mean; NaN where there is none."""
        out = np.full(len(index), np.nan)
        values = self.values.get(metric)
        if values is not None and len(self.index):
            place = np.searchsorted(self.index, index).clip(max=len(self.index) - 1)
            here = self.index[place] == index
            out[here] = values[place[here]]
        out[np.isinf(out)] = self.ceilings.get(metric, np.nan)
        return out


def read_scores(run: Run) -> tuple[Scores, list[str]]:
    """The numbers of a finished run, and a line for what of its journal cannot be read."""
    path = run.folder / "journal.jsonl"
    cells = run.metrics["metrics"]
    ceilings = {name: float(cell["ceiling"]) for name, cell in cells.items() if "ceiling" in cell}
    absent = {name: np.inf if name in ceilings else np.nan for name in cells}  # what null stands for
    rows: dict[int, tuple[int, str, list[float]]] = {}
    broken: list[int] = []
    try:
        for line in JSONLines(path).lines():
            try:
                found = line.record or {}
                numbers = [_number(found["metrics"].get(name), absent[name]) for name in cells]
                rows[int(found["index"])] = (int(found["row"]), found["status"], numbers)
            except (ValueError, TypeError, LookupError, AttributeError):
                broken.append(line.number)
    except OSError as error:
        return _scores({}, ceilings, absent), [
            f"{_name(path)}: cannot be read ({error.strerror}); its means have no interval"
        ]
    troubles = []
    if broken:
        troubles.append(
            f"{_name(path)}: line {broken[0]}{f' and {len(broken) - 1} more' if len(broken) > 1 else ''} cannot be "
            "read; left out of intervals and comparisons"
        )
    if missing := int(run.metrics["n_images"]) - len(rows) - len(broken):
        troubles.append(f"{_name(path)}: {len(rows)} images recorded, {missing:+d} against metrics.json")
    return _scores(rows, ceilings, absent), troubles


def _scores(rows: dict[int, tuple[int, str, list[float]]], ceilings: dict[str, float], names: Iterable[str]) -> Scores:
    names = list(names)
    done = sorted(index for index, (_, status, _) in rows.items() if status == "done")
    table = np.array([rows[index][2] for index in done], dtype=np.float64).reshape(len(done), len(names))
    return Scores(
        index=np.array(done, dtype=np.int64),
        row=np.array([rows[index][0] for index in done], dtype=np.int64),
        values={name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(names) if _any(table[:, k])},
        ceilings=ceilings,
        lost=np.array(sorted(index for index, (_, status, _) in rows.items() if status != "done"), dtype=np.int64),
        unreadable=np.array(sorted(k for k, (_, status, _) in rows.items() if status == "failed"), dtype=np.int64),
    )


def _number(value: float | None, absent: float) -> float:
    return absent if value is None else float(value)


def _any(column: np.ndarray) -> bool:
    return not np.isnan(column).all()


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
