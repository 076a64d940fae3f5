"""Restored images of a run, or of all runs of a folder, as PNG files, on demand."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from mapga.errors import ConfigError, DamagedError
from mapga.files.durable import naming
from mapga.records.collect import check_folder, collect, no_runs
from mapga.records.documents import rows_text
from mapga.records.journal import Journal, Row
from mapga.records.recorded import read_recorded
from mapga.records.store import ImageStore

__all__ = ["export_images"]


def export_images(folder: Path, to: Path | None = None) -> Path:
    """Write every restored image as ``<index>.png``, of several samples as ``<index>-<k>.png``; where they lie.

    Args:
        folder: A run's folder, or a results folder: then each finished run's lie in a folder of its name.
        to: Where to; default ``png/<run>`` beside the run's folder, of a results folder ``png/`` in it.

    Raises:
        ConfigError: The folder holds no run, or is damaged, or the pictures cannot be written.
    """
    if (folder / "images.npy").exists():
        return _export(folder, folder.parent / "png" / folder.name if to is None else to)
    check_folder(folder, "a run's folder, or the results_dir of your runs")
    if not (runs := [run.folder for run in collect(folder)[0] if run.status == "done"]):
        raise no_runs(folder, "finished runs")
    to = folder / "png" if to is None else to
    for run in runs:
        _export(run, to / run.relative_to(folder))
    return to


def _export(folder: Path, to: Path) -> Path:
    """The pictures of one run."""
    if not (folder / "images.npy").exists():
        raise ConfigError(f"{folder} holds no images.npy; the run's own command restores what is lost")
    store = ImageStore.open(folder / "images.npy")
    rows = _restored(folder, store)
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--to={to}: cannot be written ({error.strerror}); choose another folder") from error
    first = {row.index: row.row for row in reversed(rows)}
    several = len(first) < len(rows)
    for row in rows:
        picture = store.read([row.row])[0]
        grey = picture.shape[-1] == 1
        sample = f"-{row.row - first[row.index]}" if several else ""
        path = to / f"{row.index:06d}{sample}.png"
        with naming(path):
            Image.fromarray(picture[..., 0] if grey else picture).save(path)
    return to


def _restored(folder: Path, store: ImageStore) -> list[Row]:
    """The images that a run has restored, by its journals.

    Raises:
        ConfigError: There is none.
        DamagedError: Their pixels are not what was recorded.
    """
    named = {row.row for path in folder.glob("journal*.jsonl") for row in Journal(path).rows()}
    recorded = read_recorded(folder, len(store))
    if lost := sorted({*recorded.damaged, *(row for row in named if row >= len(store))}):
        raise DamagedError(
            f"{store.path}: {rows_text(lost)} not what was recorded; the run's own command restores what is lost"
        )
    if not (done := [row for row in recorded.rows.values() if row.status == "done"]):
        raise ConfigError(f"{folder}: no restored image is recorded in its journal; go on with the run first")
    return done
