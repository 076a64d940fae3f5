"""A board as a table for a paper: booktabs, in the width of one or two columns, with a caption that says what it is."""

from __future__ import annotations

from mapga.report.boards import Board
from mapga.report.choices import Cell
from mapga.report.coverage import cell_of
from mapga.report.layout import number, tex

__all__ = ["latex_table"]

_ONE_COLUMN = 3  # tasks that fit it
_MARKS = (
    "Bold: the best of a column, and what the paired test cannot tell from it; underlined: the next mean. "
    "$^{*}$ $p < 0.05$, $^{**}$ $p < 0.01$: worse than the best (paired over images: the larger $p$ of sign flips and "
    "of a studentised bootstrap, Holm-corrected over all pairs of a column)."
)


def latex_table(board: Board, *, errors: bool) -> str:
    """A float with its caption, for a document that loads booktabs.

    Args:
        board: Methods down, tasks across.
        errors: Standard errors in brackets behind the means.
    """
    tasks, methods = board.study.tasks, board.study.methods
    second = {task: _second(board, task) for task in tasks}
    lines = []
    for method in methods:
        cells = [_cell(board, task, method, second[task], errors) for task in tasks]
        lines.append(" & ".join([tex(board.shown(method)), tex(board.passes(method)), *cells]) + r" \\")
    head = " & ".join(["Method", "NFE", *(tex(board.shown(task)) for task in tasks)]) + r" \\"
    kind = "table" if len(tasks) <= _ONE_COLUMN else "table*"
    return "\n".join(
        [
            rf"\begin{{{kind}}}",
            r"\centering\footnotesize\setlength\tabcolsep{3pt}",
            rf"\caption{{{_caption(board, errors)}}}",
            rf"\begin{{tabular}}{{lr{'r' * len(tasks)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{kind}}}",
            "",
        ]
    )


def _caption(board: Board, errors: bool) -> str:
    counts = sorted({cell.coverage.n // len(cell.runs) for cell in board.cells.values() if cell.runs})
    images = " to ".join(dict.fromkeys(map(str, (counts[0], counts[-1])))) if counts else "no"
    means = "Means over images (standard errors in brackets)" if errors else "Means over images"
    what = f"{board.measured} on {board.study.heading}, n = {images} images, {board.direction}."
    alone = "" if board.selection == "best" else " Each method with one setting for all tasks."
    return f"{tex(what)} {means}.{alone} NFE: network passes per image. {_MARKS}"


def _second(board: Board, task: str) -> float | None:
    """The mean next to the best of a task."""
    means = {cell.mean for method in board.study.methods if (cell := board.cells[task, method]).ranked}
    order = sorted((mean for mean in means if mean is not None), reverse=not board.lower_is_better)
    return order[1] if len(order) > 1 else None


def _cell(board: Board, task: str, method: str, second: float | None, errors: bool) -> str:
    cell = board.cells.get((task, method), Cell())
    if cell.mean is None:
        return tex(cell.reason)
    text = tex(cell.coverage.number(cell.mean, board.card.digits))
    text = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.mean == second else text
    spread = cell.spread if cell.spread is not None else cell_of(cell.run, board.metric).get("sem")
    text += f" ({number(spread, board.card.digits)})" if errors and spread is not None else ""
    return text + (f"$^{{{cell.stars}}}$" if cell.stars else "")
