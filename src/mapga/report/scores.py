"""The per-image numbers of a run, from its journal, as arrays."""

from __future__ import annotations

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
        values: For each metric by name float64 (n,); NaN where an image has no finite number.
        lost: Dataset indices of the images that diverged or could not be read.
    """

    index: np.ndarray
    row: np.ndarray
    values: dict[str, np.ndarray]
    lost: np.ndarray

    def at(self, index: np.ndarray, metric: str) -> np.ndarray:
        """A metric's numbers at ascending dataset indices; NaN where there is none."""
        out = np.full(len(index), np.nan)
        values = self.values.get(metric)
        if values is not None and len(self.index):
            place = np.searchsorted(self.index, index).clip(max=len(self.index) - 1)
            here = self.index[place] == index
            out[here] = values[place[here]]
        return out


def read_scores(run: Run) -> tuple[Scores, list[str]]:
    """The numbers of a finished run, and a line for what of its journal cannot be read."""
    path = run.folder / "journal.jsonl"
    names = list(run.metrics["metrics"])
    rows: dict[int, tuple[int, bool, list[float]]] = {}
    broken: list[int] = []
    try:
        for line in JSONLines(path).lines():
            try:
                found = line.record or {}
                numbers = [_number(found["metrics"].get(name)) for name in names]
                rows[int(found["index"])] = (int(found["row"]), found["status"] == "done", numbers)
            except (ValueError, TypeError, LookupError, AttributeError):
                broken.append(line.number)
    except OSError as error:
        return _scores(names, {}), [f"{_name(path)}: cannot be read ({error.strerror}); its means have no interval"]
    troubles = []
    if broken:
        troubles.append(
            f"{_name(path)}: line {broken[0]}{f' and {len(broken) - 1} more' if len(broken) > 1 else ''} cannot be "
            "read; left out of intervals and comparisons"
        )
    if missing := int(run.metrics["n_images"]) - len(rows) - len(broken):
        troubles.append(f"{_name(path)}: {len(rows)} images recorded, {missing:+d} against metrics.json")
    return _scores(names, rows), troubles


def _scores(names: list[str], rows: dict[int, tuple[int, bool, list[float]]]) -> Scores:
    done = sorted(index for index, (_, sound, _) in rows.items() if sound)
    table = np.array([rows[index][2] for index in done], dtype=np.float64).reshape(len(done), len(names))
    return Scores(
        index=np.array(done, dtype=np.int64),
        row=np.array([rows[index][0] for index in done], dtype=np.int64),
        values={name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(names) if _any(table[:, k])},
        lost=np.array(sorted(index for index, (_, sound, _) in rows.items() if not sound), dtype=np.int64),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _any(column: np.ndarray) -> bool:
    return bool(np.isfinite(column).any())


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
