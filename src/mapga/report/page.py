"""The page: one HTML file with everything in it, which asks the network for nothing."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from mapga.files.plain_yaml import to_yaml
from mapga.report.about import about
from mapga.report.boards import Board
from mapga.report.choices import Cell
from mapga.report.coverage import Coverage, cell_of, perfect_note
from mapga.report.gallery import gallery
from mapga.report.layout import Table, number
from mapga.report.passes import passes_text

__all__ = ["render_page"]


def render_page(
    title: str,
    made: Sequence[Board],
    tables: Sequence[Table],
    figures: Sequence[Path],
    folder: Path,
    *,
    images: int,
    notes: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """The HTML, and a line for what is missing on it.

    Args:
        title: Of the results folder.
        made: Boards to show.
        tables: Shown below them as they are, with their notes.
        figures: PNG files to embed.
        folder: Where the page will lie: links to the runs' configs are relative to it.
        images: Images of each task to show.
        notes: What a reader must know of the runs.
    """
    pictures, troubles = gallery(made, images)
    shown = [_board(board) for board in made]
    data = {"gallery": pictures, "cells": _cells(made, folder)}
    environment = Environment(loader=PackageLoader("mapga.report", "."), autoescape=True)
    embedded = [(path.stem, base64.b64encode(path.read_bytes()).decode()) for path in figures]
    html = environment.get_template("page.html.j2").render(
        title=title,
        about=[line for study in dict.fromkeys(board.study for board in made) for line in about(study)],
        boards=shown,
        studies={board.study.title: board.study.heading for board in made},
        metrics={board.metric: board.measured for board in made},
        tasks={task: board.shown(task) for board in made for task in board.study.tasks},
        methods={method: board.shown(method) for board in made for method in board.study.methods},
        tables=tables,
        troubles=troubles,
        notes=[*notes, *_notes(made)],
        figures=embedded,
        data=_script_safe(data),
    )
    return html, troubles


def _notes(made: Sequence[Board]) -> list[str]:
    """What a reader of the tables must know of their images."""
    studies = dict.fromkeys(board.study for board in made)
    notes = [note for study in studies for note in study.left_out]
    notes += dict.fromkeys(note for board in made for note in board.repeated)
    notes += dict.fromkeys(f"{board.metric}: {note}" for board in made for note in (*board.cautions, *board.floors))
    return notes + perfect_note(cell.coverage for board in made for cell in board.cells.values())


def _board(board: Board) -> dict[str, Any]:
    study = board.study
    return {
        "study": study.title,
        "metric": board.metric,
        "measured": board.measured,
        "protocol": board.protocol,
        "direction": board.direction,
        "selection": board.selection,
        "tasks": study.tasks,
        "shown": {task: board.shown(task) for task in study.tasks},
        "real": [(task, board.floor(task)) for task in study.tasks] if board.of_sets and board.floor_of else [],
        "lines": [
            {
                "method": method,
                "shown": board.shown(method),
                "passes": board.passes(method),
                "cells": [_shown(board, task, method, board.cells.get((task, method), Cell())) for task in study.tasks],
            }
            for method in study.methods
        ],
    }


def _shown(board: Board, task: str, method: str, cell: Cell) -> dict[str, Any]:
    known = cell.low is not None and cell.high is not None and cell.low == cell.low and not cell.coverage.all_perfect
    return {
        "task": task,
        "key": _key(board, task, method),
        "value": cell.mean,
        "text": cell.reason if cell.mean is None else cell.coverage.number(cell.mean, board.card.digits),
        "spread": "" if cell.spread is None else f"± {number(cell.spread, board.card.digits)}",
        "images": str(cell.coverage),
        "interval": f"{number(cell.low, board.card.digits)} – {number(cell.high, board.card.digits)}"  # type: ignore[arg-type]
        if known
        else "",
        "setting": cell.setting,
        "best": cell.best,
        "stars": cell.stars,
    }


def _key(board: Board, task: str, method: str) -> str:
    return "|".join([board.study.title, board.metric, board.protocol, board.selection, task, method])


def _cells(made: Sequence[Board], folder: Path) -> dict[str, Any]:
    """For each cell the runs it was chosen from, and the config of the one that stands for it."""
    cells: dict[str, Any] = {}
    configs: dict[str, str] = {}
    for board in made:
        for (task, method), cell in board.cells.items():
            runs = []
            several = len(board.study.seeds) > 1
            for run in board.study.of(task, method):
                mean = cell_of(run, board.metric).get("mean")
                value = None if mean is None else Coverage.of(run, board.metric).written(mean, board.card.digits)
                runs.append(
                    {
                        "run": run.folder.name,
                        "setting": " ".join(
                            filter(None, [board.study.setting_of[run.folder], several * f"seed={run.spec.seed}"])
                        ),
                        "status": run.status,
                        "reason": run.reason,
                        "passes": passes_text([run]),
                        "value": value,
                        "chosen": run in cell.runs,
                        "link": Path(os.path.relpath(run.folder / "config.yaml", folder)).as_posix(),
                    }
                )
                if run == cell.run and run.folder.name not in configs:
                    configs[run.folder.name] = to_yaml(dict(run.spec.config))
            others = _against_others(board, task, method)
            cells[_key(board, task, method)] = {
                "task": board.shown(task),
                "method": board.shown(method),
                "runs": runs,
                "pairs": others,
            }
    return {"of": cells, "configs": configs}


def _against_others(board: Board, task: str, method: str) -> list[list[str]]:
    """A method's paired comparisons on a task: the other, difference, interval, p, effect, wins, images."""
    lines = []
    for first, second, pair in board.pairs.get(task, ()):
        if method in (first, second):
            sign = 1 if method == first else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            wins = pair.wins if method == first else 1 - pair.wins
            numbers = [f"{sign * pair.difference:+.4g}", _span(low, high), f"{pair.p:.3g}{pair.stars}"]
            effect = "–" if math.isnan(pair.effect) else f"{sign * pair.effect:+.2f}"
            other = board.shown(second if method == first else first)
            lines.append([other, *numbers, effect, f"{100 * wins:.0f} %", str(pair.n)])
    return lines


def _script_safe(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, whatever names it holds."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


def _span(low: float, high: float) -> str:
    return f"{low:+.4g} – {high:+.4g}" if math.isfinite(low) else "too few images"
