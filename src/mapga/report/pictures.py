"""Picture grids: truth, measurement, and what every method made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from mapga.records.store import ImageStore
from mapga.report.collect import Run, settings

__all__ = ["draw_grid", "load_rows"]

_INCH = 0.9  # of one picture


def load_rows(path: Path, rows: Sequence[int]) -> np.ndarray | None:
    """Some images of a store as (n, H, W, C), or None if they are not there."""
    try:
        return ImageStore.open(path).read(rows)
    except (OSError, ValueError, IndexError):
        return None


def draw_grid(runs: Sequence[Run], path: Path, images: int) -> bool:
    """Draw runs of one problem as a grid: a row an image, a column a method. False if there is nothing to draw."""
    drawn = [run for run in runs if run.status == "done"]
    if not drawn:
        return False
    rows = range(min(images, *(int(run.metrics["n_images"]) for run in drawn)))
    labels = settings(list(runs))
    columns = [("truth", load_rows(drawn[0].problem_folder / "truth.npy", rows))]
    columns.append(("measurement", load_rows(drawn[0].problem_folder / "measurement.npy", rows)))
    for run in drawn:
        title = run.names["solver"] + (f"\n{labels[run.folder]}" if labels[run.folder] else "")
        columns.append((title, load_rows(run.folder / "images.npy", rows)))
    shown = [(title, pictures) for title, pictures in columns if pictures is not None]
    if not shown:
        return False
    figure, axes = plt.subplots(
        len(rows),
        len(shown),
        figsize=(_INCH * len(shown), _INCH * len(rows) + 0.8),
        squeeze=False,
        layout="compressed",
    )
    for column, (title, pictures) in enumerate(shown):
        axes[0][column].set_title(title, fontsize=6)
        for row, picture in enumerate(pictures):
            axis = axes[row][column]
            axis.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
    figure.suptitle(str(drawn[0].problem), fontsize=9)
    figure.savefig(path, dpi=160)
    plt.close(figure)
    return True
