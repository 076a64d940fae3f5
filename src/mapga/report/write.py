"""``mapga report``: everything a reader gets, from the files of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mapga.errors import ConfigError
from mapga.files.durable import write_text
from mapga.records.audit import spoiled
from mapga.records.collect import Run, collect
from mapga.records.origins import mixtures, origins
from mapga.report.boards import Board, boards
from mapga.report.columns import columns, scored_under
from mapga.report.curves import draw_convergence, draw_passes
from mapga.report.figures import draw_ranks, file_name, leading
from mapga.report.layout import Table, latex_document
from mapga.report.page import render_page
from mapga.report.pictures import draw_grid
from mapga.report.sheets import (
    beside_csv,
    beside_tables,
    board_table,
    has_ablation,
    order_table,
    pairs_csv,
    runtime_table,
)
from mapga.report.studies import studies
from mapga.report.table import csv_text, make_table
from mapga.report.trials import check_disjoint, is_trial, trials_table

__all__ = ["write_report"]

_METRICS_DRAWN = 4  # of each study, in figures


@dataclass(frozen=True)
class _Content:
    """What a report says: boards of all studies, everything else as tables, and what is wrong or mixed."""

    boards: list[Board]
    besides: list[Table]
    every_run: Table
    troubles: list[str]

    @property
    def shown(self) -> list[Board]:
        """The boards worth a table: those of fixed settings only where there was a choice."""
        return [board for board in self.boards if board.selection == "best" or has_ablation(board.study)]


def write_report(root: Path, *, images: int = 8) -> Path:
    """Print tables of all runs below ``root`` and write them, with figures and a page, to ``root/report``.

    Writes ``table.md``, ``table.csv`` (a line a run), ``table.tex``, ``index.html``; ``pairs.csv`` (every comparison
    of two methods) and ``published.csv`` (beside the paper's numbers); ``grid-*``, ``passes-*``, ``ranks-*`` and, of
    runs with ``trace=true``, ``convergence-*`` as PNG and PDF.

    Args:
        root: A results folder.
        images: Images of a task in its grid and on the page, >= 1.

    Raises:
        ConfigError: No folder, no run in it, or it cannot be written.
    """
    if images < 1:
        raise ConfigError(f"--images={images}: show at least 1")
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; name the results_dir of your runs")
    found, troubles = collect(root)
    runs = columns(found)
    troubles += _spoiled(runs)
    check_disjoint(runs)
    if not runs and not troubles:
        raise ConfigError(f"{root} holds no runs; make one with: mapga run results_dir={root}")
    folder = root / "report"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); copy the runs elsewhere") from error

    content = _content(runs, troubles)
    figures = _figures(content, folder, images)
    boards_shown = [board_table(board) for board in content.shown]
    tables = [*boards_shown, *content.besides, content.every_run]
    html, missing = render_page(
        root.resolve().name,
        content.boards,
        [*content.besides, content.every_run],
        [path for path in figures if not path.name.startswith("grid-")],
        folder,
        images=images,
        notes=content.troubles,
    )
    content.every_run.notes.extend(missing)
    write_text(folder / "table.md", "\n".join(table.markdown() for table in tables))
    write_text(folder / "table.csv", csv_text(runs))
    write_text(folder / "table.tex", latex_document(tables))
    write_text(folder / "pairs.csv", pairs_csv(content.boards))
    write_text(folder / "published.csv", beside_csv(content.boards))
    write_text(folder / "index.html", html)
    _print(content, figures)
    return folder


def _spoiled(runs: Sequence[Run]) -> list[str]:
    """A line for each finished run whose pictures, or those of its problem, are not what was recorded."""
    found = [(run, spoiled(run.folder, run.problem_folder, quick=True)) for run in runs if run.status == "done"]
    return [f"{run.folder.name}: {line} (mapga verify looks closer)" for run, lines in found for line in lines]


def _content(runs: Sequence[Run], troubles: Sequence[str]) -> _Content:
    made: list[Board] = []
    besides: list[Table] = []
    said = list(troubles)
    found = studies([run for run in runs if not is_trial(run)])
    for study in found:
        own, lines = boards(study)
        made += own
        said += lines
    besides += beside_tables(made)
    if (order := order_table(made)) is not None:
        besides.append(order)
    besides += [table for study in found if (table := runtime_table(study)) is not None]
    if any(map(is_trial, runs)):
        besides.append(trials_table(runs))
    done = [run for run in runs if run.status == "done"]
    said += mixtures({run.folder.name: [*origins(run.folder), *scored_under(run)] for run in done})
    every_run = make_table([run for run in runs if not is_trial(run)])
    every_run.notes.extend(said)
    return _Content(made, besides, every_run, said)


def _figures(content: _Content, folder: Path, images: int) -> list[Path]:
    """Draw what can be drawn; the PNG files."""
    drawn = []
    for study in dict.fromkeys(board.study for board in content.boards):
        first = next(board for board in content.boards if board.study is study)
        for task in study.tasks:
            path = folder / file_name("grid", study.title, task)
            if draw_grid(_grid_runs(first, task), path, images):
                drawn.append(path)
        path = folder / file_name("convergence", study.title)
        if draw_convergence(first, path):
            drawn.append(path)
    for board in leading(content.boards, _METRICS_DRAWN):
        for kind, draw in (("passes", draw_passes), ("ranks", draw_ranks)):
            path = folder / file_name(kind, board.study.title, board.metric, board.protocol)
            if draw(board, path):
                drawn.append(path)
    return [path.with_name(f"{path.name}.png") for path in drawn]


def _grid_runs(board: Board, task: str) -> dict[str, Run]:
    """The columns of a task's grid: each method's best run by the study's first metric, of the first seed."""
    return {f"{method} {cell.setting}".strip(): cell.runs[0] for method, cell in board.pictured(task).items()}


def _print(content: _Content, figures: Sequence[Path]) -> None:
    console = Console(width=None if Console().is_terminal else 200, emoji=False)
    for board in content.shown:
        console.print(board_table(board, intervals=False).terminal())
    for table in [*content.besides, content.every_run]:
        console.print(table.terminal())
    notes = [note for board in content.shown[:1] for note in board_table(board).notes[:1]]
    notes += dict.fromkeys(note for board in content.shown for note in board.repeated)
    notes += dict.fromkeys(f"{board.metric}: {note}" for board in content.shown for note in board.cautions)
    for note in [*notes, *content.every_run.notes]:
        console.print(f"* {note}", markup=False, highlight=False)
    for path in figures:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
