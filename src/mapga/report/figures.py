"""Figures of boards: the methods' ranks; which boards are drawn, and under what names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from mapga.report.boards import Board
from mapga.report.palette import MARKERS
from mapga.report.pictures import save
from mapga.report.ranks import mean_rank, ranks

__all__ = ["draw_ranks", "file_name", "leading"]


def file_name(*parts: str) -> str:
    """A name that is safe in every file system, made of parts of a report."""
    return "-".join(text for part in parts if (text := re.sub(r"[^\w.]+", "-", part).strip("-")))[:120]


def draw_ranks(board: Board, path: Path) -> bool:
    """Each method's rank on each task, and its mean if it is ranked on all. False if there are not two to rank."""
    study, ranked = board.study, ranks(board)
    if len(ranked) < 2:
        return False
    tasks = max(int(np.isfinite(values).sum()) for values in ranked.values())
    known = {method: int(np.isfinite(values).sum()) for method, values in ranked.items()}
    order = sorted(ranked, key=lambda method: (-known[method], float(np.nanmean(ranked[method]))))
    figure, axis = plt.subplots(figsize=(6.4, 0.38 * len(order) + 1.3), layout="constrained")
    for place, method in enumerate(order):
        values = ranked[method]
        axis.plot([np.nanmin(values), np.nanmax(values)], [place, place], color="0.75", lw=3, zorder=1)
        for k, task in enumerate(study.tasks):
            axis.scatter(
                values[k],
                place,
                s=18,
                marker=MARKERS[k % len(MARKERS)],
                color="0.45",
                zorder=2,
                label=board.shown(task) if place == 0 else None,
            )
        if (mean := mean_rank(values, ranked)) is not None:
            axis.scatter(mean, place, s=60, color="C0", zorder=3, label="mean" if place == 0 else None)
    names = [
        board.shown(one) if known[one] == tasks else f"{board.shown(one)} ({known[one]} of {tasks} tasks)"
        for one in order
    ]
    axis.set_yticks(range(len(order)), names, fontsize=8, parse_math=False)
    axis.invert_yaxis()
    axis.set_xlabel("rank, 1 is best", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.set_title(board.title, fontsize=9, parse_math=False)
    figure.legend(loc="outside right upper", fontsize=7)
    save(path)
    return True


def leading(made: Sequence[Board], metrics: int) -> list[Board]:
    """The boards of bests that are drawn: the first few metrics of each study, checks aside."""
    drawn: list[Board] = []
    for board in made:
        same = sum(other.study is board.study for other in drawn)
        if board.selection == "best" and not board.card.check and same < metrics:
            drawn.append(board)
    return drawn
