"""Results of runs as a table of numbers: a row an image and metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mapga.errors import ConfigError, first_line
from mapga.records.collect import collect, settings
from mapga.records.columns import columns
from mapga.records.image_scores import COLUMNS, image_rows

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
        folder: A results folder, or a run's; or a report's ``images.parquet`` or ``images.csv``, which has of these
            columns ``run``, ``index``, ``metric`` and ``value``.

    Raises:
        ConfigError: No folder, or no finished run in it; or a file that no report wrote.
    """
    import pandas

    root = Path(folder).expanduser()
    if root.is_file():
        return _written(root)
    runs = [run for run in columns(collect(root)[0]) if run.status == "done"] if root.is_dir() else []
    if not runs:
        raise ConfigError(f"{root} holds no finished runs; name the results_dir of your runs")
    labels = settings(runs)
    of_run = {run.folder.name: (*(run.names[key] for key in _ABOUT), labels[run.folder], run.spec.seed) for run in runs}
    rows = [(run, *of_run[run], *rest) for run, *rest in image_rows(runs)]
    return pandas.DataFrame(rows, columns=["run", *_ABOUT, "settings", "seed", "index", "metric", "value"])


def _written(path: Path) -> pandas.DataFrame:
    """The numbers that a report has written."""
    import pandas

    try:
        read = pandas.read_parquet if path.suffix == ".parquet" else pandas.read_csv
        table = read(path)
    except ImportError as error:
        raise ConfigError(
            f'{path}: Parquet is read by pyarrow; pip install "mapga[parquet]", or take images.csv'
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: no table of numbers ({first_line(error)}); give images.parquet or images.csv of a report"
        ) from error
    if list(table.columns) != [*COLUMNS]:
        raise ConfigError(f"{path}: not what a report writes; give its images.parquet or images.csv")
    return table
