"""Boards, published numbers and pairs of methods as CSV, unrounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from mapga.report.boards import Board
from mapga.report.passes import passes_of
from mapga.report.published import beside

__all__ = ["beside_csv", "board_csv", "pairs_csv"]


def board_csv(board: Board) -> str:
    """A line a cell, unrounded."""
    head = ["study", "metric", "protocol", "selection", "task", "method", "setting", "passes", "value", "low", "high"]
    rows: list[list[Any]] = []
    for (task, method), cell in board.cells.items():
        start = [board.study.title, board.metric, board.protocol, board.selection, task, method, cell.setting]
        numbers = [passes_of(cell.run), cell.mean, cell.low, cell.high, cell.spread, cell.coverage.n]
        rows.append([*start, *numbers, int(cell.best), cell.stars])
    return _csv([*head, "spread", "n", "best", "stars"], rows)


def beside_csv(made: Sequence[Board]) -> str:
    """Every published number with ours, unrounded."""
    head = ["study", "metric", "table", "task", "method", "selection", "setting", "passes", "value", "low", "high"]
    rows: list[list[Any]] = []
    for board in made:
        for one in beside(board):
            cell = one.ours
            run = " ".join(run.folder.name for run in cell.runs)
            row = [board.study.title, board.metric, one.table, one.task, one.method, board.selection, cell.setting]
            row.append(passes_of(cell.run))
            row += [cell.mean, cell.low, cell.high, cell.spread, cell.coverage.n]
            rows.append([*row, one.value if not one.reason else None, one.difference, one.reason, run])
    return _csv([*head, "spread", "n", "published", "difference", "reason", "run_id"], rows)


def pairs_csv(made: Iterable[Board]) -> str:
    """Every pair of methods of every column: difference, interval, corrected p, effect size, share of wins."""
    head = ["study", "metric", "protocol", "selection", "task", "first", "second"]
    head += ["first_passes", "second_passes", "difference", "low", "high", "p_holm", "d_z", "wins", "n"]
    rows: list[list[Any]] = []
    for board in made:
        for task, found in board.pairs.items():
            for first, second, pair in found:
                names = [board.study.title, board.metric, board.protocol, board.selection, task, first, second]
                numbers = [pair.difference, pair.low, pair.high, pair.p, pair.effect, pair.wins, pair.n]
                passes = [passes_of(board.cells[task, method].run) for method in (first, second)]
                rows.append([*names, *passes, *numbers])
    return _csv(head, rows)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
