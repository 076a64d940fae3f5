"""What of a run's files is not what was recorded. Nothing is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from mapga.errors import DamagedError
from mapga.records.documents import read_summary, rows_text
from mapga.records.measured import Measured
from mapga.records.recorded import Recorded, read_recorded
from mapga.records.scores import Numbers, read_numbers
from mapga.records.store import ImageStore

__all__ = ["broken_stores", "damages", "spoiled", "unsealed"]

_SAME = 1e-9  # relative difference of two means of the same numbers


def broken_stores(folder: Path, problem: Path) -> list[str]:
    """A line for each store of a run that is no store, or not whole: a look at headers and sizes, no pixels."""
    measured = Measured(problem)
    found: list[str] = []
    for path in (folder / "images.npy", measured.truth_path, measured.measurement_path):
        with _named(found):
            if path.exists():
                ImageStore.open(path)
    return found


def spoiled(folder: Path, problem: Path, *, quick: bool = False) -> list[str]:
    """A line for each store of a run whose pixels are not what was recorded.

    Args:
        folder: The run's, finished or not.
        problem: Its problem's.
        quick: Of larger stores look at a sample alone (``ImageStore.sample``).
    """
    return _looked_at(folder, problem, quick)[1]


def damages(folder: Path, problem: Path, *, quick: bool = False) -> list[str]:
    """``spoiled``, and a line for each thing that a finished run's other files do not say as its journal does."""
    recorded, found = _looked_at(folder, problem, quick)
    if (folder / "done").exists() and recorded.total:
        with _named(found):
            found += _numbers(folder, recorded)
    return found


def _looked_at(folder: Path, problem: Path, quick: bool) -> tuple[Recorded, list[str]]:
    found: list[str] = []
    recorded = Recorded({}, 0)
    if (folder / "done").exists() or any(folder.glob("journal*.jsonl")):
        with _named(found):
            recorded = read_recorded(folder, len(ImageStore.open(folder / "images.npy")), quick=quick)
            if recorded.damaged:
                found.append(f"images.npy: {rows_text(recorded.damaged)} not what was recorded")
        with _named(found):
            found += _shared(problem, recorded, quick)
    return recorded, found


@contextmanager
def _named(found: list[str]) -> Iterator[None]:
    """Add what is damaged to what was found."""
    try:
        yield
    except DamagedError as error:
        found.append(str(error))
    except FileNotFoundError as error:
        found.append(f"{error.filename} is gone")
    except OSError as error:
        found.append(f"{error.filename} cannot be read ({error.strerror})")


def unsealed(recorded: Recorded) -> int:
    """How many images were recorded by an older version, without a checksum."""
    return sum(row.crc is None and row.status != "failed" for row in recorded.rows.values())


def _shared(problem: Path, recorded: Recorded, quick: bool) -> list[str]:
    """Whether truth and measurement of the recorded images are what was noted."""
    restored = [row.row for row in recorded.rows.values() if row.status != "failed"]
    lost = Measured(problem).damaged(restored, quick=quick) if restored else []
    return [f"{problem.name}, truth or measurement: {rows_text(lost)} not what was noted"] if lost else []


def _numbers(folder: Path, recorded: Recorded) -> Iterator[str]:
    """Whether the files of a finished run say of its images what the journal says."""
    if missing := sorted(set(range(recorded.total)) - recorded.rows.keys() - set(recorded.damaged)):
        yield f"journal.jsonl: {rows_text(missing)} not in it"
        return
    done = [row for row in recorded.rows.values() if row.status == "done"]
    told = read_summary(folder)
    if (told["n_images"], told["n_failed"]) != (recorded.total, recorded.total - len(done)):
        yield f"metrics.json: {told['n_images']} images and {told['n_failed']} failed are not the journal's"
    numbers = read_numbers(folder, recorded.rows.values())
    for name, cell in told["metrics"].items():
        yield from _number(name, cell, numbers)
    for path in folder.glob("features-*.npy"):
        try:
            n = len(np.load(path, mmap_mode="r", allow_pickle=False))
        except (ValueError, EOFError, TypeError):
            n = -1
        if n != len(done):
            yield f"{path.name}: not the features of {len(done)} images"


def _number(name: str, cell: Mapping[str, Any], numbers: Numbers) -> Iterator[str]:
    """Whether a cell of the summary is what the scores say."""
    key = cell.get("protocol", "")
    if key in numbers.sets:
        if numbers.sets[key].get("mean") != cell["mean"]:
            yield f"metrics.json: {name} {cell['mean']} is not the number of scores.jsonl"
        return
    known = numbers.images.get(key, {})
    if lost := sorted(numbers.rows - known.keys()):
        yield f"scores.jsonl: {name} of {rows_text(lost)} not in it"
    elif not _same(cell, list(known.values())):
        yield f"metrics.json: {name} {cell['mean']} is not the mean of scores.jsonl"


def _same(cell: Mapping[str, Any], values: Sequence[float | None]) -> bool:
    """Whether a mean is that of these numbers; an infinite one, None, counts as the ceiling if there is one."""
    counted = [value for one in values if (value := cell.get("ceiling") if one is None else one) is not None]
    if not counted or cell["mean"] is None:
        return not counted and cell["mean"] is None
    return math.isclose(cell["mean"], fmean(counted), rel_tol=_SAME)
