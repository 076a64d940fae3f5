"""Whether the images of today are those that a run was begun with, by the pixels that it has stored of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapga.datasets.base import Dataset, UnreadableImageError
from mapga.errors import ConfigError, DamagedError
from mapga.files.durable import write_json
from mapga.records import Journal, Row, RunFolder
from mapga.records.documents import read_json
from mapga.records.measured import Measured
from mapga.records.store import ImageStore, checksum

__all__ = ["check_data", "had_unreadable", "readable", "same_truth"]

_UNKNOWN: Mapping[str, Any] = {}


def check_data(folder: RunFolder, dataset: Dataset, origin: Mapping[str, Any] = _UNKNOWN) -> None:
    """Write down what a run and its problem are begun with; refuse to go on with other images.

    A fingerprint of another version says nothing of today's, nor does one of pictures that could not be read and may
    have been replaced: the images are compared with the true ones that are stored, and if they are the same, today's
    fingerprint takes its place.

    Args:
        folder: The run's.
        dataset: The images of today.
        origin: Under what the run is begun, if it is; of one that is done nobody knows any more.

    Raises:
        ConfigError: The run, or another run of its problem, was begun with other images.
    """
    now = dataset.fingerprint()
    remedy = "remove it, and the same command writes what is known today"
    paths = [place / "provenance.json" for place in (folder.path, folder.problem_path)]
    records = {path: read_json(path, remedy) for path in paths if path.exists()}
    others = {path: before for path, record in records.items() if (before := str(record.get("dataset"))) != now}
    comparable = not (others and had_unreadable(folder))
    wrong = [path for path, before in others.items() if comparable and _version(before) == _version(now)]
    if not wrong and others and not same_truth(folder, dataset):
        wrong = [*others]
    if wrong:  # before anything is written: a refused run leaves no trace of its images
        raise ConfigError(
            f"{wrong[0].parent} was begun with other images (fingerprint {others[wrong[0]][:12]}, now {now[:12]}); "
            "use another results_dir, or restore the data"
        )
    for path in paths:
        record = records.get(path) or origin
        if record.get("dataset") != now:
            write_json(path, {**record, "dataset": now})


def same_truth(folder: RunFolder, dataset: Dataset) -> bool:
    """Whether all true images stored with a run's problem are the dataset's, and its recorded rows have their indices.

    For fingerprints that cannot be compared: every picture is decoded once more, and its checksum compared with the one
    that was noted, or with that of the stored image where an older version noted none. A row of zeros that is not
    recorded was never written. Pictures that could not be read are not compared.
    """
    restored = {row.row: row.index for row in _rows(folder) if row.status != "failed"}
    if any(row >= len(dataset) or index != dataset.index(row) for row, index in restored.items()):
        return False
    measured = Measured(folder.problem_path)
    truth = {row: one.truth for row, one in measured.noted().items()}
    if measured.truth_path.exists():
        try:
            stored = ImageStore.open(measured.truth_path)
        except DamagedError:
            return False
        if len(stored) != len(dataset):
            return False
        older = stored.checksums([row for row in range(len(stored)) if row not in truth])
        truth |= {row: found for row, found in older.items() if found != stored.blank or row in restored}
    return not restored.keys() - truth.keys() and all(_checksum(dataset, row) == one for row, one in truth.items())


def had_unreadable(folder: RunFolder) -> bool:
    """Whether a picture could not be read when a run, or another of its problem, came to it."""
    return any(one.truth is None for one in Measured(folder.problem_path).lines()) or any(
        row.status == "failed" for row in _rows(folder)
    )


def readable(dataset: Dataset, row: int) -> bool:
    """Whether the picture of a row can be read."""
    return _checksum(dataset, row) is not None


def _rows(folder: RunFolder) -> list[Row]:
    return [row for path in folder.path.glob("journal*.jsonl") for row in Journal(path).rows()]


def _checksum(dataset: Dataset, row: int) -> int | None:
    try:
        return checksum(dataset[row].image)
    except UnreadableImageError:
        return None


def _version(fingerprint: str) -> str:
    return fingerprint.rpartition(":")[0]
