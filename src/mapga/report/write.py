"""``mapga report``: everything a reader gets, from the files of the runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mapga.errors import ConfigError, closest
from mapga.files.durable import write_bytes, write_text
from mapga.garbage import settled
from mapga.records.audit import spoiled
from mapga.records.collect import Run
from mapga.records.columns import metric_names, scored_under
from mapga.records.losses import Losses
from mapga.records.origins import mixtures, origins
from mapga.report.boards import Board, boards
from mapga.report.csvs import beside_csv, pairs_csv
from mapga.report.curves import draw_convergence, draw_passes
from mapga.report.figures import draw_ranks, file_name, leading
from mapga.report.gathered import gathered, name_of
from mapga.report.image_numbers import PARQUET, images_csv, images_parquet
from mapga.report.latex import latex_table
from mapga.report.layout import Table, latex_document
from mapga.report.page import render_page
from mapga.report.pictures import draw_grid
from mapga.report.printed import print_report
from mapga.report.sheets import beside_tables, board_table, has_ablation, order_table, runtime_table
from mapga.report.studies import studies
from mapga.report.table import csv_text, make_table
from mapga.report.trials import check_disjoint, is_trial, trials_table

__all__ = ["write_report"]

_LACKING = 8  # runs without numbers or images that are named on the terminal
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


@settled()
def write_report(
    *roots: Path, to: Path | None = None, images: int = 8, metric: str | None = None, errors: bool = False
) -> Path:
    """Write tables of all runs below some folders, with figures and a page, and print what a reader looks for first.

    Writes ``index.html``, ``table.md``, ``table.tex``, ``table.csv`` (a line a run), ``images.csv`` (a line an image
    and metric; with pyarrow ``images.parquet`` as well), ``pairs.csv`` (every comparison of two methods),
    ``published.csv`` (beside the paper's numbers), a table for a paper of each metric in ``latex/``; ``grid-*``,
    ``passes-*``, ``ranks-*`` and, of runs with ``trace=true``, ``convergence-*`` as PNG and PDF.

    Args:
        roots: Results folders.
        to: Where to; None: ``report`` in the folder, of several in the working folder.
        images: Images of a task in its grid and on the page, >= 1.
        metric: What is printed of each study; None: its first, ``"all"``: every one.
        errors: Whether tables for papers have standard errors.

    Returns:
        The folder.

    Raises:
        ConfigError: No folder, no run in it, a metric that no run has, or it cannot be written.
    """
    if images < 1:
        raise ConfigError(f"--images={images}: show at least 1")
    runs, troubles = gathered(roots)
    known = [*metric_names(runs), "all"]
    if metric is not None and metric not in known:
        raise ConfigError(f"no run has a metric {metric!r}{closest(metric, known)} there are {', '.join(known)}")
    check_disjoint(runs)
    folder = to if to is not None else Path("report") if len(roots) > 1 else roots[0] / "report"
    try:
        (folder / "latex").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); name another with --to") from error

    content = _content(runs, [*troubles, *_spoiled(runs)])
    _figures(content, folder, images)
    tables = [*map(board_table, content.shown), *content.besides, content.every_run]
    html, missing = render_page(
        name_of(roots),
        content.shown,
        [*content.besides, content.every_run],
        images=images,
        notes=content.troubles,
    )
    content.every_run.notes.extend(missing)
    write_text(folder / "table.md", "\n".join(table.markdown() for table in tables))
    write_text(folder / "table.csv", csv_text(runs))
    write_text(folder / "table.tex", latex_document(tables))
    write_text(folder / "images.csv", images_csv(runs))
    if (parquet := images_parquet(runs)) is not None:
        write_bytes(folder / "images.parquet", parquet)
    write_text(folder / "pairs.csv", pairs_csv(content.boards))
    write_text(folder / "published.csv", beside_csv(content.boards))
    for board in content.shown:
        fixed = "fixed" if board.selection == "fixed" else ""
        name = file_name(board.study.title, board.metric, board.protocol, fixed)
        write_text(folder / "latex" / f"{name}.tex", latex_table(board, errors=errors))
    write_text(folder / "index.html", html)
    trials = sum(map(is_trial, runs))
    found = [f"{trials} trials of a search, the best first: {folder / 'table.md'}, under Trials"] if trials else []
    alone = content.besides[-1] if 0 < trials == len(runs) else content.every_run  # of trials there is nothing else
    print_report(content.shown, alone, [*found, *_lacking(runs), *content.troubles, *missing], metric)
    _print_files(roots, folder, with_parquet=parquet is not None)
    return folder


def _lacking(runs: Sequence[Run]) -> list[str]:
    """A line for each run without numbers, or without images, and why; of many the first."""
    found = [f"{run.folder.name} {run.status}: {run.reason}" for run in runs if run.reason]
    for run in runs:
        if run.status == "done" and (losses := Losses.told(run.metrics)).lost:
            found.append(f"{run.folder.name}: {losses}")
    more = [f"and {len(found) - _LACKING} more such runs: table.md"] if len(found) > _LACKING else []
    return found[:_LACKING] + more


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


def _figures(content: _Content, folder: Path, images: int) -> None:
    """Write what can be drawn, as PNG and PDF."""
    for study in dict.fromkeys(board.study for board in content.boards):
        first = next(board for board in content.boards if board.study is study)
        for task in study.tasks:
            draw_grid(_grid_runs(first, task), folder / file_name("grid", study.title, task), images)
        draw_convergence(first, folder / file_name("convergence", study.title))
    for board in leading(content.boards, _METRICS_DRAWN):
        for kind, draw in (("passes", draw_passes), ("ranks", draw_ranks)):
            draw(board, folder / file_name(kind, board.study.title, board.metric, board.protocol))


def _grid_runs(board: Board, task: str) -> dict[str, Run]:
    """The columns of a task's grid: each method's best run by the study's first metric, of the first seed."""
    return {
        f"{board.shown(method)} {cell.setting}".strip(): cell.runs[0] for method, cell in board.pictured(task).items()
    }


def _print_files(roots: Sequence[Path], folder: Path, *, with_parquet: bool) -> None:
    """What was written, the page last, with the command that shows it."""
    own = folder == roots[0] / "report"
    command = shlex.join(["mapga", "report", *map(str, roots), *([] if own else ["--to", str(folder)]), "--open"])
    for name, what in (
        (
            "images.csv",
            "a line an image and metric; the same: images.parquet"
            if with_parquet
            else f"a line an image and metric (also as Parquet: {PARQUET})",
        ),
        ("table.csv", "a line a run"),
        ("table.md", "all tables"),
        ("table.tex", "all tables, to be compiled as it is"),
        ("latex/", "a table a metric, for a paper"),
        ("index.html", f"the page, with all metrics and pictures: {command}"),
    ):
        print(f"{folder / name}{'/' * name.endswith('/')}  {what}")
