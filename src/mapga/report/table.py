"""One table: a line a run, grouped by problem, with uncertainty, failures, skips and cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table as RichTable

from mapga.report.collect import Problem, Run, settings

__all__ = ["Cell", "Table", "csv_text", "make_table"]

# What a reader looks for first; other metrics follow by name.
_ORDER = ("psnr", "ssim", "lpips_alex", "lpips_vgg", "consistency")
_DIGITS = {"psnr": 2, "ssim": 3}


@dataclass(frozen=True)
class Cell:
    """Text of a cell; ``best`` if no run of its problem has a better mean."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        header: Column names.
        lines: A line a run.
        problems: The problem of each line, for grouping.
        notes: What a reader must know besides.
    """

    header: list[str]
    lines: list[list[Cell]]
    problems: list[Problem]
    notes: list[str]

    def markdown(self) -> str:
        rows = ["| " + " | ".join(map(_md, self.header)) + " |", "|" + " --- |" * len(self.header)]
        for line in self.lines:
            cells = (f"**{_md(cell.text)}**" if cell.best else _md(cell.text) for cell in line)
            rows.append("| " + " | ".join(cells) + " |")
        return (
            "\n".join(rows) + "\n" + "".join(f"\n* {_md(note)}" for note in self.notes) + ("\n" if self.notes else "")
        )

    def latex(self) -> str:
        """A booktabs table."""
        columns = "l" * 3 + "r" * (len(self.header) - 3)
        lines = [
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            " & ".join(map(_tex, self.header)) + " \\\\",
        ]
        previous = None
        for line, problem in zip(self.lines, self.problems, strict=True):
            lines += ["\\midrule"] if problem != previous else []
            previous = problem
            cells = (f"\\textbf{{{_tex(cell.text)}}}" if cell.best else _tex(cell.text) for cell in line)
            lines.append(" & ".join(cells) + " \\\\")
        return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])

    def terminal(self) -> RichTable:
        table = RichTable(*map(escape, self.header), header_style="bold", pad_edge=False)
        previous = None
        for line, problem in zip(self.lines, self.problems, strict=True):
            if previous not in (None, problem):
                table.add_section()
            previous = problem
            table.add_row(*(f"[bold]{escape(cell.text)}[/bold]" if cell.best else escape(cell.text) for cell in line))
        return table


def make_table(runs: Sequence[Run]) -> Table:
    """Mean +- standard error of every metric, n, failed images, passes an image and seconds, a line a run."""
    runs = sorted(runs, key=lambda run: (run.problem, run.names["solver"], str(run.folder)))
    labels = settings(runs)
    names = _metric_names(runs)
    header = ["problem", "solver", "settings", *names, "n", "failed", "NFE", "seconds"]
    best = _best(runs, names)
    lines, notes = [], []
    for run in runs:
        start = [Cell(str(run.problem)), Cell(run.names["solver"]), Cell(labels[run.folder])]
        if run.status != "done":
            lines.append([*start, *[Cell("") for _ in names], Cell(run.status), *[Cell("")] * 3])
            if run.reason:
                notes.append(f"{run.folder.name} {run.status}: {run.reason}")
            continue
        metrics, compute = run.metrics["metrics"], run.metrics["compute"]
        cells = [Cell(_estimate(name, metrics.get(name)), run.folder in best[name]) for name in names]
        passes = compute["forward"] + compute["vjp"]
        end = [
            str(run.metrics["n_images"]),
            str(run.metrics["n_failed"]),
            f"{passes:g}",
            f"{compute['seconds']:.1f}",
        ]
        lines.append([*start, *cells, *map(Cell, end)])
    notes += _protocol_notes(runs, names)
    if lines:
        notes.append(
            "mean ± standard error over images; bold: the best mean of a problem; NFE: forward passes plus "
            "vector-Jacobian products an image; seconds: solving the whole run."
        )
    return Table(header, lines, [run.problem for run in runs], notes)


def csv_text(runs: Sequence[Run]) -> str:
    """All numbers of all runs, unrounded, a line a run."""
    names = _metric_names(runs)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = [
        "run_id",
        "dataset",
        "task",
        "sigma_y",
        "sigma_y_unit",
        "prior",
        "solver",
        "schedule",
        "settings",
        "seed",
    ]
    tail = ["n_images", "n_failed", "forward", "vjp", "seconds", "seconds_network", "status", "reason"]
    writer.writerow([*head, *(f"{name}{part}" for name in names for part in ("", "_sem", "_n")), *tail])
    labels = settings(list(runs))
    for run in sorted(runs, key=lambda run: run.folder.name):
        task, metrics = run.config["task"], run.metrics.get("metrics", {})
        line = [
            run.folder.name,
            run.names["dataset"],
            run.names["task"],
            task["sigma_y"],
            task["sigma_y_unit"],
        ]
        line += [
            run.names["prior"],
            run.names["solver"],
            run.names["schedule"],
            labels[run.folder],
            run.config["seed"],
        ]
        for name in names:
            cell = metrics.get(name, {})
            line += [cell.get("mean"), cell.get("sem"), cell.get("n")]
        compute = run.metrics.get("compute", {})
        line += [run.metrics.get(key) for key in ("n_images", "n_failed")]
        line += [compute.get(key) for key in ("forward", "vjp", "seconds", "seconds_network")]
        writer.writerow([*line, run.status, run.reason])
    return out.getvalue()


def _metric_names(runs: Sequence[Run]) -> list[str]:
    found = {name for run in runs for name in run.metrics.get("metrics", {})}
    return [name for name in _ORDER if name in found] + sorted(found - set(_ORDER))


def _best(runs: Sequence[Run], names: Sequence[str]) -> dict[str, set[Path]]:
    """For each metric the folders of the runs than which none of their problem has a better mean."""
    best: dict[str, set[Path]] = {name: set() for name in names}
    for family in _families(runs).values():
        for name in names:
            cells = {run.folder: run.metrics.get("metrics", {}).get(name, {}) for run in family}
            scores = {
                folder: cell["mean"] if cell["lower_is_better"] else -cell["mean"]
                for folder, cell in cells.items()
                if cell.get("mean") is not None
            }
            if len(_protocols(family, name)) <= 1:
                best[name] |= {folder for folder, score in scores.items() if score == min(scores.values())}
    return best


def _families(runs: Sequence[Run]) -> dict[Problem, list[Run]]:
    families: dict[Problem, list[Run]] = {}
    for run in runs:
        families.setdefault(run.problem, []).append(run)
    return families


def _protocols(family: Sequence[Run], name: str) -> set[str]:
    """The protocols (flavour, N, reference) by which a metric was computed for one problem's runs."""
    cells = (run.metrics.get("metrics", {}).get(name, {}) for run in family)
    return {cell["key"] for cell in cells if "key" in cell}


def _protocol_notes(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """What set metrics say of themselves, and where their protocols differ."""
    notes = []
    for name in names:
        cells = [run.metrics.get("metrics", {}).get(name, {}) for run in runs]
        notes += [note for cell in cells for note in cell.get("notes", [])]
        for problem, family in _families(runs).items():
            if len(found := _protocols(family, name)) > 1:
                notes.append(
                    f"{problem}: {name} was computed by different protocols and is not compared: "
                    f"{', '.join(sorted(found))}"
                )
    return list(dict.fromkeys(notes))


def _estimate(name: str, cell: dict[str, float | None] | None) -> str:
    if not cell or cell["mean"] is None:
        return "–"
    digits = _DIGITS.get(name, 4)
    sem = "" if cell["sem"] is None else f" ± {cell['sem']:.{digits}f}"
    return f"{cell['mean']:.{digits}f}{sem}"


# Markdown passes HTML on, so angle brackets are written as entities.
_MARKDOWN = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}
)
_LATEX = str.maketrans(
    {mark: f"\\{mark}" for mark in "_&%#${}"}
    | {
        "\\": r"\textbackslash{}",
        "^": r"\^{}",
        "~": r"\~{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        "–": "--",
        "\n": " ",
    }
)


def _md(text: str) -> str:
    return text.translate(_MARKDOWN)


def _tex(text: str) -> str:
    return text.translate(_LATEX)
