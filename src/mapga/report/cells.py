"""Boards as the page shows them: numbers split at their decimal point, shaded by rank, with their marks beside them."""

from __future__ import annotations

from typing import Any

from mapga.report.boards import Board
from mapga.report.choices import Cell
from mapga.report.csvs import board_csv
from mapga.report.latex import latex_table
from mapga.report.layout import number
from mapga.report.plots import plots, strips
from mapga.report.ranks import shades
from mapga.report.sheets import board_table

__all__ = ["copies", "key_of", "shown_board"]


def shown_board(board: Board, *, first: bool) -> dict[str, Any]:
    """What the template takes.

    Args:
        board: Of any selection; figures are of bests.
        first: Whether it is its study's first.
    """
    study, shade = board.study, shades(board)
    warnings = [*board.cautions, *study.left_out]
    shown = {
        (task, method): _shown(board, board.cells.get((task, method), Cell()))
        for method in study.methods
        for task in study.tasks
    }
    lines = [
        {
            "method": method,
            "passes": board.passes(method),
            "cells": [
                shown[task, method]
                | {"task": task, "key": key_of(board, task, method), "shade": shade.get((task, method))}
                for task in study.tasks
            ],
        }
        for method in study.methods
    ]
    drawn = board.selection == "best" and not board.card.check
    return {
        "study": study.title,
        "heading": study.heading,
        "metric": board.metric,
        "measured": board.measured,
        "protocol": board.protocol,
        "direction": board.direction,
        "selection": board.selection,
        "tasks": study.tasks,
        "shown": {name: board.shown(name) for name in (*study.tasks, *study.methods)},
        "places": {method: study.places[method] for method in study.methods},
        "ours": {method for method in study.methods if study.cards[method].ours},
        "widths": {task: max(len(shown[task, method]["part"]) for method in study.methods) for task in study.tasks},
        "real": [(task, board.floor(task)) for task in study.tasks] if board.of_sets and board.floor_of else [],
        "lines": lines,
        "warnings": warnings,
        "notes": [note for note in board_table(board).notes if note not in warnings],
        "plots": plots(board, first=first) if drawn else [],
        "ranks": strips(board) if drawn else [],
    }


def copies(board: Board) -> dict[str, str]:
    """A board as text, to be copied."""
    return {
        "Markdown": board_table(board).markdown(),
        "CSV": board_csv(board),
        "LaTeX": latex_table(board, errors=False),
    }


def key_of(board: Board, task: str, method: str) -> str:
    """A cell's name on the page."""
    return "|".join([board.study.title, board.metric, board.protocol, board.selection, task, method])


def _shown(board: Board, cell: Cell) -> dict[str, Any]:
    digits = board.card.digits
    known = cell.low is not None and cell.high is not None and cell.low == cell.low and not cell.coverage.all_perfect
    text = "" if cell.mean is None else cell.coverage.number(cell.mean, digits)
    whole, point, part = text.partition(".")
    return {
        "value": cell.mean,
        "whole": whole,
        "part": point + part,
        "reason": cell.reason,
        "spread": "" if cell.spread is None else f"± {number(cell.spread, digits)}",
        "images": str(cell.coverage),
        "interval": f"{number(cell.low, digits)} – {number(cell.high, digits)}" if known else "",  # type: ignore[arg-type]
        "setting": cell.setting,
        "best": cell.best,
        "stars": cell.stars,
    }
