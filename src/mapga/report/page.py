"""The page: one HTML file with everything in it, which asks the network for nothing and leads nowhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from mapga.report.about import facts
from mapga.report.boards import Board
from mapga.report.cells import copies, shown_board
from mapga.report.drilldown import drilldown
from mapga.report.gallery import gallery
from mapga.report.layout import Table
from mapga.report.palette import COLOURS, SHAPES
from mapga.report.plots import HEIGHT, WIDTH

__all__ = ["render_page"]

_SCRIPTS = ("state.js", "tables.js", "runs.js", "pictures.js", "viewer.js", "keep.js")


def render_page(
    title: str, made: Sequence[Board], tables: Sequence[Table], *, images: int, notes: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """The HTML, and a line for what is missing on it.

    Args:
        title: Of the results folder.
        made: Boards to show.
        tables: Shown below them as they are, with their notes.
        images: Images of each task to show.
        notes: What a reader must know of the runs.
    """
    pictures, troubles = gallery(made, images)
    first = {id(board.study): id(board) for board in reversed(made)}
    studies = list(dict.fromkeys(board.study for board in made))
    data = {"gallery": pictures, "cells": drilldown(made), "copies": [copies(board) for board in made]}
    environment = Environment(loader=PackageLoader("mapga.report", "web"), autoescape=True, trim_blocks=True)
    environment.globals.update(colours=COLOURS, shapes=SHAPES, width=WIDTH, height=HEIGHT)
    html = environment.get_template("page.html.j2").render(
        title=title,
        facts=[(study.title, study.heading, facts(study)) for study in studies],
        boards=[shown_board(board, first=first[id(board.study)] == id(board)) for board in made],
        studies={study.title: study.heading for study in studies},
        metrics={board.metric: board.measured for board in made},
        tasks={task: board.shown(task) for board in made for task in board.study.tasks},
        methods={method: board.shown(method) for board in made for method in board.study.methods},
        ablation=any(board.selection == "fixed" for board in made),
        tables=tables,
        troubles=troubles,
        notes=notes,
        hatched=any(task["hatched"] for task in pictures),
        data=_script_safe(data),
        scripts=_SCRIPTS,
    )
    return html, troubles


def _script_safe(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, whatever names it holds."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)
