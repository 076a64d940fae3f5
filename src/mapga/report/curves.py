"""Figures against network passes: what runs of different settings came to, and how single runs came to it."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from mapga.report.boards import Board
from mapga.report.coverage import left_out
from mapga.report.lines import Panels, convergence_lines, passes_lines
from mapga.report.palette import COLOURS, MARKERS
from mapga.report.pictures import save

__all__ = ["draw_convergence", "draw_passes"]


def draw_passes(board: Board, path: Path) -> bool:
    """The metric against network passes per image, a panel a task, a point a setting. False below two."""
    if not (panels := passes_lines(board)):
        return False
    title = board.title + ("\nwithout runs that lost images" if left_out(board.study.runs, board.study.whole) else "")
    _draw(panels, board, board.measured, title, path, marked=True)
    return True


def draw_convergence(board: Board, path: Path) -> bool:
    """Mean PSNR of the states' estimates along the runs that stand for the methods. False where none was traced."""
    panels, fewer = convergence_lines(board)
    if not panels:
        return False
    title = f"{board.study.heading}: convergence of the runs with the best {board.measured}"
    title += ", the first seed" if len(board.study.seeds) > 1 else ""
    title += f"\nimages: {', '.join(fewer)}" if fewer else ""
    _draw(panels, board, "PSNR of the estimate (dB)", title, path, marked=False)
    return True


def _draw(panels: Panels, board: Board, measured: str, title: str, path: Path, *, marked: bool) -> None:
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
        for method, line in lines.items():
            place = board.study.places[method]
            marker = MARKERS[place % len(MARKERS)] if marked else ""
            colour = COLOURS[place % len(COLOURS)][0]
            (handles[method],) = axis.plot(line.x, line.y, marker=marker, ms=4, lw=0.8, color=colour)
        if all(x > 0 for line in lines.values() for x in line.x):
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
