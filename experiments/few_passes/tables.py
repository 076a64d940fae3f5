"""The tables of README.md, from what was measured, which is stored beside this file as table.csv.

    python experiments/few_passes/tables.py store RESULTS...    # of finished runs of experiment=few_passes*
    python experiments/few_passes/tables.py show [FILE]         # the tables, as README.md has them

A line of table.csv is a method on a task: means with 95 % bootstrap intervals over images, and what map_gn_fast with
20 passes is ahead of it, with the bootstrap-t interval of the paired differences and their p-value, corrected by Holm's
procedure over all pairs of methods on that task.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from mapga.records.collect import Run, collect
from mapga.records.image_scores import read_scores
from mapga.report.compare import Column, compare

TABLE = Path(__file__).parent / "table.csv"
METRICS = {"psnr": False, "stlpips_alex": True}  # whether less is better
OURS = ("map_gn_fast", 20)
COLUMNS = ["prior", "task", "sigma_y", "method", "passes", "images", "metric", "mean", "low", "high"]
COLUMNS += ["ahead", "ahead_low", "ahead_high", "p"]


def place(run: Run) -> tuple[str, str, float]:
    """Which runs stand in one table."""
    return run.names["prior"], run.names["task"], run.spec.sigma_y


def store(results: list[Path]) -> None:
    """Write down means, intervals and paired differences of every run that is done and no trial.

    Raises:
        SystemExit: A task without map_gn_fast at 20 passes, or a run that lost images.
    """
    runs = [one for folder in results for one in collect(folder)[0] if one.status == "done" and not one.spec.objective]
    if lost := [one.folder.name for one in runs if one.metrics["n_failed"]]:
        sys.exit(f"images were lost: {', '.join(lost)}")
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for where, of_it in groupby(sorted(runs, key=place), place):
            table.writerows(_lines(where, sorted(of_it, key=_method)))


def _method(run: Run) -> tuple[bool, int, str]:
    name, spent = run.names["solver"], run.spec.config["passes"]
    return (name, spent) != OURS, spent, name


def _lines(where: tuple[str, str, float], runs: list[Run]) -> Iterator[dict[str, object]]:
    if _method(runs[0])[0]:
        sys.exit(f"{' '.join(map(str, where))}: no run of {OURS[0]} with {OURS[1]} passes to hold the others against")
    scores = [read_scores(run)[0] for run in runs]
    index = scores[0].index
    for metric, lower in METRICS.items():
        column = Column(np.stack([one.at(index, metric) for one in scores], axis=1), lower)
        found = compare([column])[0]
        for k, run in enumerate(runs):
            pair, sign = found.between(0, k) if k else None, -1 if lower else 1
            ends = sorted(sign * end for end in (pair.low, pair.high)) if pair else ("", "")
            numbers = [column.values[:, k].mean(), *found.intervals[k]]
            ahead = [sign * pair.difference, *ends, pair.p] if pair else [""] * 4
            values = [*where, run.names["solver"], run.spec.config["passes"], len(index), metric]
            values += [one if one == "" else f"{one:.5g}" for one in (*numbers, *ahead)]
            yield dict(zip(COLUMNS, values, strict=True))


def show(table: Path = TABLE) -> str:
    """The tables in Markdown: map_gn_fast, and the best of the others at each number of passes, by PSNR."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parts = []
    for prior, of_prior in groupby(rows, lambda row: row["prior"]):
        lines = [
            f"| {prior}: task, noise | map_gn_fast, 20 | rivals, by what it is ahead of them (dB) |",
            "| --- | ---: | --- |",
        ]
        for (task, noise), of_task in groupby(of_prior, lambda row: (row["task"], row["sigma_y"])):
            ours, *others = [row for row in of_task if row["metric"] == "psnr"]
            others.sort(key=lambda row: float(row["ahead"]))
            told = ", ".join(_rival(row) for row in others)
            lines.append(f"| {task}, {float(noise):g} | {float(ours['mean']):.2f} | {told} |")
        parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def _rival(row: dict[str, str]) -> str:
    low, high = float(row["ahead_low"]), float(row["ahead_high"])
    return f"{row['method']} {row['passes']}: {float(row['ahead']):+.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("store").add_argument("results", type=Path, nargs="+")
    commands.add_parser("show").add_argument("table", type=Path, nargs="?", default=TABLE)
    given = parser.parse_args()
    if given.what == "store":
        store(given.results)
    else:
        print(show(given.table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
