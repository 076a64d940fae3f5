"""What is drawn against network passes: runs of different settings, and the states of single runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mapga.records.collect import Run
from mapga.records.trace import read_trace
from mapga.report.boards import Board
from mapga.report.coverage import cell_of, comparable
from mapga.report.passes import passes_of
from mapga.report.repeats import mean_of, repeats

__all__ = ["Line", "Panels", "convergence_lines", "passes_lines"]


@dataclass(frozen=True)
class Line:
    """Network passes per image, what they came to, and what each point is."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    labels: tuple[str, ...] = ()


Panels = Mapping[str, Mapping[str, Line]]
"""By task, by method."""


def passes_lines(board: Board) -> Panels:
    """A point a setting; {} below two of them.

    A run that lost images has no point among those that did not: its mean is of other images.
    """
    study = board.study
    panels: dict[str, dict[str, Line]] = {}
    for task in study.tasks:
        lines = panels.setdefault(task, {})
        for method in study.methods:
            able = [run for run in study.of(task, method) if _has_point(board, run)]
            groups = repeats(able, study.setting_of)
            points = [
                (passes_of(runs[0]) or 0.0, mean_of(runs, board.metric), study.setting_of[runs[0].folder])
                for runs in groups
            ]
            if points:
                x, y, labels = zip(*sorted(points), strict=True)
                lines[method] = Line(x, y, labels)
    return panels if sum(len(line.x) for lines in panels.values() for line in lines.values()) > 1 else {}


def convergence_lines(board: Board) -> tuple[Panels, list[str]]:
    """Mean PSNR of the states' estimates along the runs that stand for the methods; {} where none was traced.

    A curve is of the images whose states are all finite, the same ones all along; where those are not all of the run's,
    a text says how many.
    """
    study = board.study
    panels: dict[str, dict[str, Line]] = {}
    fewer: list[str] = []
    for task in study.tasks:
        lines = panels.setdefault(task, {})
        for method in study.methods:
            run = board.cells[task, method].run
            found = None if run is None else read_trace(run.folder)
            if run is None or found is None or not len(kept := found[1][np.isfinite(found[1]).all(axis=1)]):
                continue
            total = int(run.metrics["n_images"])
            if len(kept) < total:
                fewer.append(f"{board.shown(method)} on {board.shown(task)} {len(kept)} of {total}")
            lines[method] = Line(tuple(found[0].tolist()), tuple(kept.mean(axis=0).tolist()))
    return (panels if any(panels.values()) else {}), fewer


def _has_point(board: Board, run: Run) -> bool:
    """Whether a run has the board's number, of every image and by its protocol."""
    found = cell_of(run, board.metric)
    if found.get("mean") is None or not comparable(run, board.metric, board.study.whole):
        return False
    return not board.protocol or found.get("key") in (None, board.protocol)
