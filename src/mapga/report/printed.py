"""A report on a terminal: of each study one metric, and what a reader must know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from mapga.report.boards import Board
from mapga.report.layout import Table
from mapga.report.sheets import board_table

__all__ = ["print_report"]

_WIDE = 160  # columns where there is no terminal


def print_report(boards: Sequence[Board], alone: Table, troubles: Sequence[str], metric: str | None) -> None:
    """Print tables with their notes; where there are none, the one that there is.

    Args:
        boards: Those of the report.
        alone: What is printed where there are no boards: a line a run, or a trial.
        troubles: What is wrong, or mixed.
        metric: Whose boards are printed; None: the first of each study; ``"all"``: every one.
    """
    console = Console(width=None if Console().is_terminal else _WIDE, emoji=False, highlight=False)
    first = {id(board.study): board.metric for board in reversed(boards)}
    wanted = [board for board in boards if metric in ("all", board.metric) or (metric is None and _leads(board, first))]
    tables = [board_table(board, intervals=False) for board in wanted]
    said: set[str] = set()
    for table in tables:
        for line in [*(line for line in table.about if line not in said), table.title]:
            console.print(line, markup=False, soft_wrap=True)
        said |= set(table.about)
        console.print(replace(table, title="").terminal())
    if not boards:
        console.print(alone.terminal())
    for note in dict.fromkeys([*(note for table in tables for note in table.notes), *troubles]):
        console.print(f"* {note}", markup=False)


def _leads(board: Board, first: dict[int, str]) -> bool:
    return first[id(board.study)] == board.metric
