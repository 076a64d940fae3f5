"""One table: a line a run, grouped by problem, with uncertainty, failures, skips and cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mapga.records.collect import Run, StoredProblem, settings
from mapga.records.columns import metric_card, metric_names
from mapga.records.losses import Losses
from mapga.report.coverage import Coverage, cell_of, comparable, left_out, perfect_note, whole
from mapga.report.layout import Entry, Table, number
from mapga.report.passes import NFE, passes_of, passes_text, unequal, unequal_note

__all__ = ["csv_text", "make_table"]


def make_table(runs: Sequence[Run]) -> Table:
    """Mean +- standard error of every metric, n, lost images, passes per image and seconds, a line a run."""
    runs = sorted(
        runs, key=lambda run: (str(run.problem), run.spec.seed, *run.problem, run.names["solver"], str(run.folder))
    )
    labels = settings(runs)
    several = len({run.spec.seed for run in runs}) > 1
    names = metric_names(runs)
    header = ["problem", "solver", "settings", *names, "n", "lost", "NFE", "seconds"]
    best = _best(runs, names)
    digits = {name: metric_card(runs, name).digits for name in names}
    lines, notes = [], []
    for run in runs:
        label = f"{labels[run.folder]} {several * f'seed={run.spec.seed}'}".strip()
        start = [Entry(str(run.problem)), Entry(run.names["solver"]), Entry(label)]
        if run.status != "done":
            lines.append([*start, *[Entry("") for _ in names], Entry(run.status), *[Entry("")] * 3])
            if run.reason:
                notes.append(f"{run.folder.name} {run.status}: {run.reason}")
            continue
        compute = run.metrics["compute"]
        losses = Losses.told(run.metrics)
        cells = [Entry(_estimate(run, name, digits[name]), run.folder in best[name]) for name in names]
        lost = losses.reasons or str(losses.lost)
        end = [str(losses.total - losses.lost), lost, passes_text([run]), f"{compute['seconds']:.1f}"]
        lines.append([*start, *cells, *map(Entry, end)])
    notes += _protocol_notes(runs, names)
    for family in _families(runs).values():
        notes += left_out(family, whole(family))
    notes += dict.fromkeys(note for family in _families(runs).values() for note in unequal_note(family))
    notes += perfect_note(Coverage.of(run, name) for run in runs if run.status == "done" for name in names)
    if lines:
        notes.append(
            f"mean ± standard error over images; bold: the best mean of a problem; {NFE}; seconds: solving the whole "
            "run; n: images restored; lost: those that were not."
        )
    return Table(header, lines, [str(run.problem) for run in runs], notes, title="Every run")


def csv_text(runs: Sequence[Run]) -> str:
    """All numbers of all runs, unrounded, a line a run."""
    names = metric_names(runs)
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
    counts = ["n_images", "n_failed", "n_diverged", "n_unreadable"]
    tail = [*counts, "passes", "forward", "vjp", "seconds", "seconds_network", "status", "reason"]
    writer.writerow([*head, *(f"{name}{part}" for name in names for part in ("", "_sem", "_n", "_infinite")), *tail])
    labels = settings(list(runs))
    for run in sorted(runs, key=lambda run: run.folder.name):
        metrics = run.metrics.get("metrics", {})
        line = [
            run.folder.name,
            run.names["dataset"],
            run.names["task"],
            run.spec.sigma_y,
            run.spec.sigma_y_unit,
        ]
        line += [
            run.names["prior"],
            run.names["solver"],
            run.names["schedule"],
            labels[run.folder],
            run.spec.seed,
        ]
        for name in names:
            cell = metrics.get(name, {})
            line += [cell.get("mean"), cell.get("sem"), cell.get("n"), cell.get("n_infinite")]
        compute = run.metrics.get("compute", {})
        line += [*(run.metrics.get(key) for key in counts), passes_of(run)]
        line += [compute.get(key) for key in ("forward", "vjp", "seconds", "seconds_network")]
        writer.writerow([*line, run.status, run.reason])
    return out.getvalue()


def _best(runs: Sequence[Run], names: Sequence[str]) -> dict[str, set[Path]]:
    """For each metric the folders of the runs than which none of their problem has a better mean of all images."""
    best: dict[str, set[Path]] = {name: set() for name in names}
    for family in _families(runs).values():
        entire = whole(family) - unequal(family)
        for name in names:
            able = [run for run in family if run.status == "done" and comparable(run, name, entire)]
            cells = {run.folder: cell_of(run, name) for run in able}
            scores = {
                folder: cell["mean"] if cell["lower_is_better"] else -cell["mean"]
                for folder, cell in cells.items()
                if cell.get("mean") is not None
            }
            if len(_protocols(family, name)) <= 1 and metric_card(family, name).ordered:
                best[name] |= {folder for folder, score in scores.items() if score == min(scores.values())}
    return best


def _families(runs: Sequence[Run]) -> dict[StoredProblem, list[Run]]:
    families: dict[StoredProblem, list[Run]] = {}
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


def _estimate(run: Run, name: str, digits: int) -> str:
    cell, losses = cell_of(run, name), Losses.told(run.metrics)
    covered = replace(Coverage.of(run, name), total=losses.total - losses.lost)  # the lost have a column of their own
    if cell.get("mean") is None:
        return "–"
    sem = "" if cell["sem"] is None or covered.all_perfect else f" ± {number(cell['sem'], digits)}"
    images = f" ({covered})" if str(covered) else ""
    return f"{covered.number(cell['mean'], digits)}{sem}{images}"
