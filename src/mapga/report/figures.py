"""Figures of boards: quality against network passes, and the methods' ranks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from mapga.report.boards import Board
from mapga.report.pictures import save

__all__ = ["draw_passes", "draw_ranks", "file_name", "leading"]

_MARKERS = "osD^vP*Xh<>dp"


def file_name(*parts: str) -> str:
    """A name that is safe in every file system, made of parts of a report."""
    return "-".join(text for part in parts if (text := re.sub(r"[^\w.]+", "-", part).strip("-")))[:120]


def draw_passes(board: Board, path: Path) -> bool:
    """The metric against network passes an image, a panel a task, a point a finished run. False below two."""
    study = board.study
    panels = []
    for task in study.tasks:
        lines = {}
        for method in study.methods:
            points = []
            for run in study.of(task, method):
                found = run.metrics.get("metrics", {}).get(board.metric, {})
                if found.get("mean") is not None and (not board.protocol or found.get("key") in (None, board.protocol)):
                    compute = run.metrics["compute"]
                    points.append((compute["forward"] + compute["vjp"], found["mean"]))
            if points:
                lines[method] = sorted(points)
        if lines:
            panels.append((task, lines))
    if sum(len(points) for _, lines in panels for points in lines.values()) < 2:
        return False
    across = min(4, len(panels))
    down = -(-len(panels) // across)
    width, height = 2.5 * across + 1.9, 2.0 * down + 1.0
    figure, axes = plt.subplots(down, across, figsize=(width, height), squeeze=False)
    # A layout engine would measure every label several times, which takes longer than all the rest of a report.
    figure.subplots_adjust(0.7 / width, 0.6 / height, 1 - 1.3 / width, 1 - 0.6 / height, wspace=0.3, hspace=0.4)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (task, lines) in zip(axes.flat, panels, strict=False):
        axis.set_title(task, fontsize=8, parse_math=False)
        for place, method in enumerate(study.methods):
            if method in lines:
                x, y = zip(*lines[method], strict=True)
                axis.plot(
                    x, y, marker=_MARKERS[place % len(_MARKERS)], ms=4, lw=0.8, color=f"C{place % 10}", label=method
                )
        if all(x > 0 for points in lines.values() for x, _ in points):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(labelsize=6)
        axis.grid(alpha=0.3)
    handles: dict[str, Artist] = {}
    for axis in axes.flat[: len(panels)]:
        handles.update(dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True)))
    figure.legend(list(handles.values()), list(handles), loc="center right", fontsize=7)
    figure.supxlabel("network passes an image", fontsize=8)
    figure.supylabel(board.metric, fontsize=8, parse_math=False)
    figure.suptitle(board.title, fontsize=9, parse_math=False)
    save(path)
    return True


def draw_ranks(board: Board, path: Path) -> bool:
    """Each method's rank on each task, and its mean. False if there are not two methods to rank."""
    study = board.study
    ranks = {method: np.full(len(study.tasks), np.nan) for method in study.methods}
    for place, task in enumerate(study.tasks):
        means = {m: cell.mean for m in study.methods if (cell := board.cells[task, m]).mean is not None}
        sign = 1 if board.lower_is_better else -1
        for method, mean in means.items():
            better = sum(sign * (other or 0.0) < sign * (mean or 0.0) for other in means.values())
            equal = sum(other == mean for other in means.values())
            ranks[method][place] = better + (equal + 1) / 2
    ranked = {method: values for method, values in ranks.items() if np.isfinite(values).any()}
    if len(ranked) < 2:
        return False
    order = sorted(ranked, key=lambda method: float(np.nanmean(ranked[method])))
    figure, axis = plt.subplots(figsize=(6.4, 0.38 * len(order) + 1.3), layout="constrained")
    for place, method in enumerate(order):
        values = ranked[method]
        axis.plot([np.nanmin(values), np.nanmax(values)], [place, place], color="0.75", lw=3, zorder=1)
        for k, task in enumerate(study.tasks):
            axis.scatter(
                values[k],
                place,
                s=18,
                marker=_MARKERS[k % len(_MARKERS)],
                color="0.45",
                zorder=2,
                label=task if place == 0 else None,
            )
        axis.scatter(np.nanmean(values), place, s=60, color="C0", zorder=3, label="mean" if place == 0 else None)
    axis.set_yticks(range(len(order)), order, fontsize=8, parse_math=False)
    axis.invert_yaxis()
    axis.set_xlabel("rank, 1 is best", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.set_title(board.title, fontsize=9, parse_math=False)
    figure.legend(loc="outside right upper", fontsize=7)
    save(path)
    return True


def leading(made: Sequence[Board], metrics: int) -> list[Board]:
    """The boards of bests that are drawn: the first few metrics of each study, data consistency aside."""
    drawn: list[Board] = []
    for board in made:
        same = sum(other.study is board.study for other in drawn)
        if board.selection == "best" and board.metric != "consistency" and same < metrics:
            drawn.append(board)
    return drawn
