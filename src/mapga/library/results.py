"""Results of runs as a table of numbers: a row an image and metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mapga.errors import ConfigError
from mapga.records.collect import collect, settings
from mapga.records.columns import columns
from mapga.records.image_scores import image_rows

if TYPE_CHECKING:
    import pandas

__all__ = ["load_results"]

_ABOUT = ("dataset", "task", "solver", "prior", "schedule")


def load_results(folder: str | Path) -> pandas.DataFrame:
    """Every number of every image of the finished runs at or below a folder.

    Columns: ``run`` (its folder's name), ``dataset``, ``task``, ``solver``, ``prior``, ``schedule`` (the names that
    were chosen), ``settings`` (what tells the run apart from others of its solver), ``seed``, ``index`` (of the image
    in its dataset), ``metric``, ``value`` (infinite for the PSNR of a perfect image). Scores of sets have no rows.

    Args:
        folder: A results folder, or a run's.

    Raises:
        ConfigError: No folder, or no finished run in it.
    """
    import pandas

    root = Path(folder).expanduser()
    runs = [run for run in columns(collect(root)[0]) if run.status == "done"] if root.is_dir() else []
    if not runs:
        raise ConfigError(f"{root} holds no finished runs; name the results_dir of your runs")
    labels = settings(runs)
    of_run = {run.folder.name: (*(run.names[key] for key in _ABOUT), labels[run.folder], run.spec.seed) for run in runs}
    rows = [(run, *of_run[run], *rest) for run, *rest in image_rows(runs)]
    return pandas.DataFrame(rows, columns=["run", *_ABOUT, "settings", "seed", "index", "metric", "value"])
