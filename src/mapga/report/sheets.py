"""Boards, published numbers and orders as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mapga.report.about import about
from mapga.report.boards import Board
from mapga.report.choices import Cell
from mapga.report.coverage import perfect_note
from mapga.report.layout import Entry, Table, number
from mapga.report.passes import NFE, passes_text
from mapga.report.published import beside, orders, published_runtime
from mapga.report.studies import Study

__all__ = [
    "beside_tables",
    "board_table",
    "has_ablation",
    "order_table",
    "runtime_table",
]

_NONE = "–"
_LEGEND = (
    "bold: the best of a column, and what the test cannot tell from it; "
    "* p < 0.05, ** p < 0.01: worse than the best (paired over images: the larger p-value of sign flips and of a "
    "studentised bootstrap, Holm-corrected over all pairs of a column)"
)
_SETS = (
    "a distance of sets is tested by what each image adds to it, to first order (its influence); real images: what the "
    "truths score in the place of the restored images, against the same reference"
)


def has_ablation(study: Study) -> bool:
    """Whether any method of a study ran with several settings on one task."""
    cells = ([study.setting_of[run.folder] for run in study.of(t, m)] for t in study.tasks for m in study.methods)
    return any(len(set(settings)) > 1 for settings in cells)


def board_table(board: Board, *, intervals: bool = True) -> Table:
    """Methods down, tasks across."""
    lines = []
    settings = {method: _settings(board, method) for method in board.study.methods}
    fixed = board.selection == "fixed"
    for method in board.study.methods:
        cells = [_entry(board, board.cells.get((task, method), Cell()), intervals) for task in board.study.tasks]
        start = [board.shown(method), *([settings[method]] if fixed else []), board.passes(method)]
        lines.append([*map(Entry, start), *cells])
    groups = [board.study.title] * len(lines)
    if board.of_sets and board.floor_of:
        shown = [board.floor(task) for task in board.study.tasks]
        lines.append([Entry(text) for text in ["real images", *([""] if fixed else []), _NONE, *shown]])
        groups.append("real images")
    means = "mean [95 % bootstrap interval over images]" if intervals else "mean over images"
    notes = [f"{means}; {_LEGEND}", NFE, *([_SETS] if board.of_sets else [])]
    notes += [
        *board.repeated,
        *board.cautions,
        *([] if board.of_sets else board.floors),
        *perfect_note(cell.coverage for cell in board.cells.values()),
    ]
    notes += board.study.left_out + board.study.remarks
    if fixed:
        notes.append("each method with one setting for all tasks: the one that ranks best on average")
    elif has_ablation(board.study):
        notes.append("the best run of each ablation, chosen by this very number: optimistic; which one won:")
        notes += [f"{board.shown(method)}: {settings[method]}" for method in board.study.methods if settings[method]]
    title = f"{board.title}, " + ("one setting for all tasks" if fixed else "best of the ablation")
    if not has_ablation(board.study):
        title = board.title
    header = ["method", *(["setting"] if fixed else []), "NFE", *map(board.shown, board.study.tasks)]
    return Table(header, lines, groups, notes, title, left=2 if fixed else 1, about=about(board.study))


def beside_tables(made: Sequence[Board]) -> list[Table]:
    """For each board that the paper has numbers for: ours, its interval, what won, one setting for all, the paper's."""
    tables = []
    for best in made:
        found = beside(best) if best.selection == "best" else []
        fixed = _sibling(made, best)
        lines = []
        for one in found:
            theirs = number(one.value, best.card.digits)
            shown = one.reason if one.reason and one.ours.mean is not None else theirs
            other = next((b.ours for b in beside(fixed) if (b.task, b.method) == (one.task, one.method)), Cell())
            lines.append(
                [
                    Entry(best.shown(one.task)),
                    Entry(best.shown(one.method)),
                    Entry(one.ours.setting),
                    Entry(passes_text(one.ours.runs)),
                    Entry(_plain(best, one.ours)),
                    Entry(_interval(best, one.ours)),
                    Entry(shown),
                    Entry(_NONE if one.difference is None else f"{one.difference:+.4g}"),
                    Entry(other.setting),
                    Entry(passes_text(other.runs)),
                    Entry(_plain(best, other)),
                ]
            )
        if lines:
            header = ["task", "method", "winning setting", "NFE", "ours", "95 %", "published", "difference"]
            header += ["fixed setting", "NFE, fixed", "ours, fixed"]
            notes = [
                "published: arXiv 2407.20784; what it leaves unstated and what is assumed: experiments/published/"
                "protocol.yaml. A number of another N, metric or dataset is not put beside it, and the reason is given",
                NFE,
            ]
            title = f"{best.title}: beside the paper's Table {found[0].table}"
            tables.append(Table(header, lines, [one.task for one in found], notes, title))
    return tables


def order_table(made: Sequence[Board]) -> Table | None:
    """Kendall's tau of every column that the paper has too; None if there is none."""
    lines, groups = [], []
    for board in made:
        for one in orders(board) if board.selection == "best" or has_ablation(board.study) else []:
            start = [board.study.title, board.metric, board.selection, one.task]
            end = [f"Table {one.table} {one.metric}", one.dataset, str(one.methods), one.passes, f"{one.tau:+.2f}"]
            lines.append([Entry(text) for text in [*start, *end]])
            groups.append(f"{board.title}{board.selection}")
    if not lines:
        return None
    header = ["study", "metric", "selection", "task", "published", "published on", "methods", "NFE", "tau"]
    notes = [
        "Kendall's tau-b of the methods' order in a column against the paper's: 1 the same, -1 reversed, 0 unrelated",
        NFE,
    ]
    return Table(header, lines, groups, notes, "Order of the methods against the paper's", left=6)


def runtime_table(study: Study) -> Table | None:
    """Milliseconds of an iteration and their ratio to DDRM, beside the paper's Table 5; None unless it was timed."""
    of_table = [run for run in study.runs if run.names.get("experiment") == "table5"]
    timed = {run.names["solver"]: run for run in sorted(of_table, key=lambda run: -run.spec.seed)}
    own = {}
    for solver, run in timed.items():
        if run.folder in study.whole:
            batch = min(run.spec.batch_size, int(run.metrics["n_images"]))
            batches = math.ceil(int(run.metrics["n_images"]) / batch)
            own[solver] = 1000 * run.metrics["compute"]["seconds"] / (run.spec.steps * batches)
    if not timed:
        return None
    theirs, lines = published_runtime(), []
    for solver in theirs:
        here = own.get(solver)
        ratio = here / own["ddrm"] if here is not None and own.get("ddrm") else None
        state = "not run"
        if solver in timed:
            state = "images lost" if timed[solver].status == "done" else timed[solver].status
        shown = [state if here is None else f"{here:.1f}", _NONE if ratio is None else f"{ratio:.2f}"]
        published = [f"{theirs[solver]:.0f}", f"{theirs[solver] / theirs['ddrm']:.2f}"]
        lines.append([Entry(text) for text in [solver, passes_text([timed.get(solver)]), *shown, *published]])
    header = ["method", "NFE", "ms an iteration", "to DDRM", "published ms", "published, to DDRM"]
    notes = ["milliseconds depend on the device and the network; what compares is the ratio to DDRM", NFE]
    return Table(header, lines, [""] * len(lines), notes, f"{study.title}: runtime, beside the paper's Table 5", left=1)


def _entry(board: Board, cell: Cell, intervals: bool) -> Entry:
    if cell.mean is None:
        return Entry(cell.reason)
    interval = f" {text}" if intervals and (text := _interval(board, cell)) else ""
    images = f" ({cell.coverage})" if str(cell.coverage) else ""
    bare = cell.coverage.number(cell.mean, board.card.digits)
    return Entry(bare + _spread(board, cell) + interval + (f" {cell.stars}" if cell.stars else "") + images, cell.best)


def _plain(board: Board, cell: Cell) -> str:
    if cell.mean is None:
        return cell.reason
    return cell.coverage.written(cell.mean, board.card.digits) + _spread(board, cell)


def _spread(board: Board, cell: Cell) -> str:
    return "" if cell.spread is None else f" ± {number(cell.spread, board.card.digits)}"


def _interval(board: Board, cell: Cell) -> str:
    if cell.low is None or cell.high is None or math.isnan(cell.low) or cell.coverage.all_perfect:
        return ""
    return f"[{number(cell.low, board.card.digits)}, {number(cell.high, board.card.digits)}]"


def _settings(board: Board, method: str) -> str:
    """A method's winning settings: one, or by task."""
    own = {task: board.cells[task, method].setting for task in board.study.tasks if (task, method) in board.cells}
    own = {task: setting for task, setting in own.items() if setting}
    if len(set(own.values())) == 1:
        return next(iter(own.values()))
    return "; ".join(f"{task} {setting}" for task, setting in own.items())


def _sibling(made: Sequence[Board], best: Board) -> Board:
    """The board of fixed settings beside one of bests."""
    return next(
        one
        for one in made
        if one.study is best.study
        and (one.metric, one.protocol, one.selection) == (best.metric, best.protocol, "fixed")
    )
