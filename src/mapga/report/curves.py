"""Figures against network passes: what runs of different settings came to, and how single runs came to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from mapga.records.collect import Run
from mapga.records.trace import read_trace
from mapga.report.boards import Board
from mapga.report.coverage import cell_of, comparable, left_out
from mapga.report.passes import passes_of
from mapga.report.pictures import save
from mapga.report.repeats import mean_of, repeats

__all__ = ["MARKERS", "draw_convergence", "draw_passes"]

MARKERS = "osD^vP*Xh<>dp"

_Lines = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""By method its network passes per image and what they came to."""


def draw_passes(board: Board, path: Path) -> bool:
    """The metric against network passes per image, a panel a task, a point a setting. False below two.

    A run that lost images has no point among those that did not: its mean is of other images.
    """
    study = board.study
    panels: dict[str, _Lines] = {}
    for task in study.tasks:
        lines = {}
        for method in study.methods:
            able = [run for run in study.of(task, method) if _has_point(board, run)]
            groups = repeats(able, study.setting_of)
            if points := [(passes_of(runs[0]) or 0.0, mean_of(runs, board.metric)) for runs in groups]:
                passes, means = zip(*sorted(points), strict=True)
                lines[method] = (passes, means)
        panels[task] = lines
    if sum(len(x) for lines in panels.values() for x, _ in lines.values()) < 2:
        return False
    title = board.title + ("\nwithout runs that lost images" if left_out(study.runs, study.whole) else "")
    _draw(panels, board, board.measured, title, path, marked=True)
    return True


def _has_point(board: Board, run: Run) -> bool:
    """Whether a run has the board's number, of every image and by its protocol."""
    found = cell_of(run, board.metric)
    if found.get("mean") is None or not comparable(run, board.metric, board.study.whole):
        return False
    return not board.protocol or found.get("key") in (None, board.protocol)


def draw_convergence(board: Board, path: Path) -> bool:
    """Mean PSNR of the states' estimates along the runs that stand for the methods. False where none was traced.

    A curve is of the images whose states are all finite, the same ones all along; where those are not all of the run's,
    the title says how many.
    """
    study = board.study
    panels: dict[str, _Lines] = {}
    fewer: list[str] = []
    for task in study.tasks:
        lines = {}
        for method in study.methods:
            run = board.cells[task, method].run
            found = None if run is None else read_trace(run.folder)
            if run is None or found is None or not len(kept := found[1][np.isfinite(found[1]).all(axis=1)]):
                continue
            total = int(run.metrics["n_images"])
            fewer += (
                [f"{board.shown(method)} on {board.shown(task)} {len(kept)} of {total}"] if len(kept) < total else []
            )
            lines[method] = (found[0].tolist(), kept.mean(axis=0).tolist())
        panels[task] = lines
    if not any(panels.values()):
        return False
    title = f"{study.heading}: convergence of the runs with the best {board.measured}"
    title += ", the first seed" if len(study.seeds) > 1 else ""
    title += f"\nimages: {', '.join(fewer)}" if fewer else ""
    _draw(panels, board, "PSNR of the estimate (dB)", title, path, marked=False)
    return True


def _draw(panels: Mapping[str, _Lines], board: Board, measured: str, title: str, path: Path, *, marked: bool) -> None:
    """A panel for each task that has lines, and a legend; passes on a logarithmic axis."""
    shown = {task: lines for task, lines in panels.items() if lines}
    across = min(4, len(shown))
    down = -(-len(shown) // across)
    width, height = 2.5 * across + 1.9, 2.0 * down + 1.0
    figure, axes = plt.subplots(down, across, figsize=(width, height), squeeze=False)
    # A layout engine would measure every label several times, which takes longer than all the rest of a report.
    figure.subplots_adjust(0.7 / width, 0.6 / height, 1 - 1.3 / width, 1 - 0.6 / height, wspace=0.3, hspace=0.4)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    handles: dict[str, Artist] = {}
    for axis, (task, lines) in zip(axes.flat, shown.items(), strict=False):
        axis.set_title(board.shown(task), fontsize=8, parse_math=False)
        for place, method in enumerate(board.study.methods):
            if method in lines:
                marker = MARKERS[place % len(MARKERS)] if marked else ""
                x, y = lines[method]
                (handles[method],) = axis.plot(x, y, marker=marker, ms=4, lw=0.8, color=f"C{place % 10}")
        if all(x > 0 for passes, _ in lines.values() for x in passes):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(labelsize=6)
        axis.grid(alpha=0.3)
    figure.legend(list(handles.values()), [board.shown(one) for one in handles], loc="center right", fontsize=7)
    figure.supxlabel("network passes per image", fontsize=8)
    figure.supylabel(measured, fontsize=8, parse_math=False)
    figure.suptitle(title, fontsize=9, parse_math=False)
    save(path)
