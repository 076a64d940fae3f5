"""Figures of the page: where everything stands, in the units of an SVG; ``web/plots.html.j2`` writes them.

Each task is a picture and each method a group of its own, so that the page's filters and colours apply to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from mapga.report.boards import Board
from mapga.report.lines import Line, Panels, convergence_lines, passes_lines
from mapga.report.ranks import mean_rank, ranks

__all__ = ["HEIGHT", "WIDTH", "Panel", "Plot", "Strip", "plots", "strips"]

WIDTH, HEIGHT = 260, 170  # of a panel
_TOP, _RIGHT, _BOTTOM = 8, 10, 20  # around its axes
_DIGIT = 6.2  # wide
_TICKS = 7  # at most on an axis


@dataclass(frozen=True)
class Series:
    """A method's line: its points, and what each says when pointed at."""

    method: str
    points: list[tuple[float, float, str]]

    @property
    def path(self) -> str:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in self.points)


@dataclass(frozen=True)
class Panel:
    """The axes of a task: ticks with their texts, lines, and where the axes begin."""

    task: str
    left: float
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    series: list[Series]

    @property
    def bottom(self) -> float:
        return HEIGHT - _BOTTOM


@dataclass(frozen=True)
class Plot:
    """Panels of one metric, a panel a task."""

    title: str
    panels: list[Panel]
    marked: bool

    def has(self, method: str) -> bool:
        """Whether a method is drawn."""
        return any(series.method == method for panel in self.panels for series in panel.series)


@dataclass(frozen=True)
class Strip:
    """A method's ranks on the tasks and their mean, 0 the first and 1 the last."""

    method: str
    ranks: list[tuple[str, float, str]]
    mean: float | None
    text: str


def plots(board: Board, *, first: bool) -> list[Plot]:
    """What is drawn of a board against network passes; of a study's first one its convergence too."""
    found = []
    if panels := passes_lines(board):
        title = f"{board.measured} against network passes per image, a point a setting"
        found.append(Plot(title, _panels(board, panels), marked=True))
    panels, fewer = convergence_lines(board) if first else ({}, [])
    if panels:
        title = "PSNR of the estimate (dB) against network passes, along the run that stands for a method"
        title += f"; images: {', '.join(fewer)}" if fewer else ""
        found.append(Plot(title, _panels(board, panels), marked=False))
    return found


def strips(board: Board) -> list[Strip]:
    """The methods by their mean rank, those first that are ranked on most tasks; [] below two methods."""
    found, study = ranks(board), board.study
    if len(found) < 2:
        return []
    last = max(len(found) - 1, 1)
    lines = []
    for method, values in found.items():
        there = [(task, float(rank)) for task, rank in zip(study.tasks, values, strict=True) if math.isfinite(rank)]
        mean = mean_rank(values, found)
        text = f"{len(there)} of {len(study.tasks)} tasks" if mean is None else f"{mean:.1f}"
        places = [(task, (rank - 1) / last, f"{board.shown(task)}: rank {rank:g}") for task, rank in there]
        lines.append(Strip(method, places, None if mean is None else (mean - 1) / last, text))
    return sorted(lines, key=lambda one: (one.mean is None, one.mean or 0.0, one.method))


def _panels(board: Board, panels: Panels) -> list[Panel]:
    return [_panel(board, task, list(lines.items())) for task, lines in panels.items() if lines]


def _panel(board: Board, task: str, lines: Sequence[tuple[str, Line]]) -> Panel:
    x, y = (np.concatenate([getattr(line, name) for _, line in lines]) for name in "xy")
    log = bool((x > 0).all())
    y_ticks = [(value, f"{value:g}") for value in _inside(MaxNLocator(4).tick_values(*_range(y)), _range(y))]
    left = 8 + _DIGIT * max((len(text) for _, text in y_ticks), default=0)
    across = _axis(np.log(x) if log else x, left, WIDTH - _RIGHT)
    down = _axis(y, HEIGHT - _BOTTOM, _TOP)
    series = [
        Series(
            method,
            [
                (across(math.log(a) if log else a), down(b), _text(board, method, a, b, label))
                for a, b, label in zip(line.x, line.y, line.labels or [""] * len(line.x), strict=True)
            ],
        )
        for method, line in lines
    ]
    return Panel(
        task,
        left,
        [(across(math.log(value) if log else value), f"{value:g}") for value in _passes(x, log)],
        [(down(value), text) for value, text in y_ticks],
        series,
    )


def _text(board: Board, method: str, passes: float, value: float, label: str) -> str:
    name = f"{board.shown(method)} {label}".strip()
    return f"{name}: {value:.{board.card.digits}f} at {passes:g} passes"


def _passes(x: np.ndarray, log: bool) -> list[float]:
    """Ticks of an axis of passes; its ends where it is too short for any other."""
    ends = (float(x.min()), float(x.max()))
    if not log:
        return _inside(MaxNLocator(4, integer=True).tick_values(*ends), ends)
    many = _inside(LogLocator(subs=(1, 2, 5)).tick_values(*ends), ends)
    ticks = many if len(many) <= _TICKS else _inside(LogLocator(subs=(1,)).tick_values(*ends), ends)
    return ticks if len(ticks) > 1 else list(dict.fromkeys(ends))


def _inside(ticks: Iterable[float], ends: tuple[float, float]) -> list[float]:
    return [float(tick) for tick in ticks if ends[0] <= tick <= ends[1]]


def _range(values: np.ndarray) -> tuple[float, float]:
    """The values with room around them."""
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _axis(values: np.ndarray, start: float, end: float) -> Callable[[float], float]:
    """From a value to its place between two ends."""
    low, high = _range(values)
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 1)
