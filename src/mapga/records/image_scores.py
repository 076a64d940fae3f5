"""The per-image numbers of a run, from its journal and its scores, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mapga.files.jsonl import JSONLines
from mapga.records.collect import Run
from mapga.records.influence import read_influence
from mapga.records.journal import Row, row_of
from mapga.records.scores import Numbers, read_numbers

__all__ = ["COLUMNS", "Scores", "image_rows", "read_scores"]

COLUMNS = ("run", "index", "metric", "value")
"""Of ``image_rows``, in every file that holds them."""


@dataclass(frozen=True)
class Scores:
    """What is known of the images of a run.

    Attributes:
        index: Dataset indices of the restored images, ascending, int64 (n,).
        row: Their places in ``images.npy``, int64 (n,); of several samples of an image that of the first.
        values: For each metric by name float64 (n,), of a score of the set with what each image adds to it; of several
            samples their mean; infinite for a perfect image, NaN where there is no number.
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
    """The numbers of a finished run, and a line for what of its journal and scores cannot be read."""
    path = run.folder / "journal.jsonl"
    cells = run.metrics["metrics"]
    rows: dict[int, Row] = {}
    broken: list[int] = []
    try:
        for line in JSONLines(path).lines():
            if (row := row_of(line.record or {})) is None:
                broken.append(line.number)
            else:
                rows[row.row] = row
        numbers = read_numbers(run.folder, rows.values())
    except OSError as error:
        return _scores(rows, cells, Numbers()), [
            f"{_name(Path(error.filename or path))}: cannot be read ({error.strerror}); its means have no interval"
        ]
    troubles = []
    if broken:
        troubles.append(
            f"{_name(path)}: line {broken[0]}{f' and {len(broken) - 1} more' if len(broken) > 1 else ''} cannot be "
            "read; left out of intervals and comparisons"
        )
    if missing := int(run.metrics["n_images"]) - len(rows) - len(broken):
        troubles.append(f"{_name(path)}: {len(rows)} images recorded, {missing:+d} against metrics.json")
    for name, cell in cells.items():
        known = numbers.images.get(cell["protocol"], {})
        if lost := len(numbers.rows - known.keys()) if cell["protocol"] not in numbers.sets else 0:
            troubles.append(
                f"{run.folder.name}/scores.jsonl: {name} of {lost} images is not there; mapga score makes it"
            )
    scores = _scores(rows, cells, numbers)
    scores.values.update(_of_sets(run, scores.row))
    return scores, troubles


def image_rows(runs: Sequence[Run]) -> Iterator[tuple[str, int, str, float]]:
    """Every number of every restored image of finished runs: the run's name, the image's index, metric, value."""
    for run in runs:
        if run.status != "done":
            continue
        scores, _ = read_scores(run)
        for name, values in scores.values.items():
            if "key" not in run.metrics["metrics"][name]:  # of a set images have none, but what they add to it
                found = zip(scores.index.tolist(), values.tolist(), strict=True)
                yield from ((run.folder.name, index, name, value) for index, value in found if value == value)


def _of_sets(run: Run, rows: np.ndarray) -> dict[str, np.ndarray]:
    """For each score of the whole set a number of each image, whose mean it is: the score and what the image adds."""
    found = {}
    for name, cell in run.metrics["metrics"].items():
        if "key" not in cell or cell.get("mean") is None or not len(rows):
            continue
        added = read_influence(run.folder, str(cell["key"]))
        if added is not None and rows.max() < len(added) and np.isfinite(added[rows]).all():
            found[name] = cell["mean"] + added[rows]
    return found


def _scores(rows: Mapping[int, Row], cells: Mapping[str, Mapping[str, Any]], numbers: Numbers) -> Scores:
    images: dict[int, list[Row]] = {}
    for _, row in sorted(rows.items()):
        images.setdefault(row.index, []).append(row)
    whole = {index: own for index, own in sorted(images.items()) if all(row.status == "done" for row in own)}
    ceilings = {name: float(cell["ceiling"]) for name, cell in cells.items() if "ceiling" in cell}
    values = {}
    for name, cell in cells.items():
        known = numbers.images.get(cell["protocol"], {})
        absent = np.inf if name in ceilings else np.nan  # what null stands for
        found = [
            [absent if (value := known.get(row.row, np.nan)) is None else value for row in own]
            for own in whole.values()
        ]
        values[name] = np.array([np.mean(own) for own in found], dtype=np.float64)
    return Scores(
        index=np.array(list(whole), dtype=np.int64),
        row=np.array([own[0].row for own in whole.values()], dtype=np.int64),
        values={name: column for name, column in values.items() if _any(column)},
        ceilings=ceilings,
        lost=np.array(sorted(images.keys() - whole.keys()), dtype=np.int64),
        unreadable=np.array(sorted({row.index for row in rows.values() if row.status == "failed"}), dtype=np.int64),
    )


def _any(column: np.ndarray) -> bool:
    return not np.isnan(column).all()


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
