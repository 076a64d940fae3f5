"""The methods' ranks on the tasks of a board."""

from __future__ import annotations

import numpy as np

from mapga.report.boards import Board

__all__ = ["mean_rank", "ranks", "shades"]


def ranks(board: Board) -> dict[str, np.ndarray]:
    """Each method's rank on each task, 1 the best, of equals the mean of their places; NaN where it is not ranked.

    A method is ranked where its number is of every image that the others' are of; one that never is is not here.
    """
    study = board.study
    found = {method: np.full(len(study.tasks), np.nan) for method in study.methods}
    for place, task in enumerate(study.tasks):
        means = {m: cell.mean for m in study.methods if (cell := board.cells[task, m]).ranked}
        sign = 1 if board.lower_is_better else -1
        for method, mean in means.items():
            better = sum(sign * (other or 0.0) < sign * (mean or 0.0) for other in means.values())
            equal = sum(other == mean for other in means.values())
            found[method][place] = better + (equal + 1) / 2
    return {method: values for method, values in found.items() if np.isfinite(values).any()}


def mean_rank(values: np.ndarray, found: dict[str, np.ndarray]) -> float | None:
    """The mean of a method's ranks; None where another is ranked on more tasks."""
    known = int(np.isfinite(values).sum())
    most = max(int(np.isfinite(other).sum()) for other in found.values())
    return float(np.nanmean(values)) if known == most else None


def shades(board: Board) -> dict[tuple[str, str], float]:
    """By task and method how near the best it ranks: 1 the best, 0 the last; none where there is nobody to compare."""
    found = ranks(board)
    shade: dict[tuple[str, str], float] = {}
    for place, task in enumerate(board.study.tasks):
        column = {method: values[place] for method, values in found.items() if np.isfinite(values[place])}
        if len(column) > 1:
            last = len(column)
            shade |= {(task, method): float((last - rank) / (last - 1)) for method, rank in column.items()}
    return shade
