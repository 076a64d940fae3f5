"""``mapga report``: everything a reader gets, from the files of the runs."""

from __future__ import annotations

import base64
import re
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader
from rich.console import Console

from mapga.components import ConfigError
from mapga.records.files import write_text
from mapga.report.collect import collect
from mapga.report.pictures import draw_grid
from mapga.report.table import csv_text, make_table

__all__ = ["write_report"]


def write_report(root: Path, *, images: int = 8) -> Path:
    """Print one table of all runs below ``root`` and write it, with a picture grid a problem, to ``root/report``.

    Writes ``table.md``, ``table.csv``, ``table.tex``, ``index.html`` and ``grid-<problem>.png``.

    Args:
        root: A results folder.
        images: Images in a grid, >= 1.

    Raises:
        ConfigError: No folder, no run in it, or it cannot be written.
    """
    if images < 1:
        raise ConfigError(f"--images={images}: show at least 1")
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; name the results_dir of your runs")
    runs, troubles = collect(root)
    if not runs and not troubles:
        raise ConfigError(f"{root} holds no runs; make one with: mapga run results_dir={root}")
    folder = root / "report"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); copy the runs elsewhere") from error
    table = make_table(runs)
    table.notes.extend(troubles)

    pictures = []
    ordered = sorted(runs, key=lambda run: (run.problem, run.names["solver"], str(run.folder)))
    for problem, family in groupby(ordered, key=lambda run: run.problem):
        name = re.sub(r"[^\w.-]+", "-", Path(problem.folder).name)
        path = folder / f"grid-{name}.png"
        if draw_grid(list(family), path, images):
            pictures.append((name, path))

    write_text(folder / "table.md", table.markdown())
    write_text(folder / "table.csv", csv_text(runs))
    write_text(folder / "table.tex", table.latex())
    page = Environment(loader=PackageLoader("mapga.report", "."), autoescape=True).get_template("page.html.j2")
    embedded = [(name, base64.b64encode(path.read_bytes()).decode()) for name, path in pictures]
    write_text(folder / "index.html", page.render(title=root.resolve().name, table=table, pictures=embedded))

    console = Console(width=None if Console().is_terminal else 200)
    console.print(table.terminal())
    for note in table.notes:
        console.print(f"* {note}", markup=False, highlight=False)
    for _, path in pictures:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    return folder
