"""The tables of README.md, from what was measured, which is stored beside this file as table.csv.

    python experiments/few_passes/tables.py store RESULTS... [--to FILE] [--passes 10]    # runs of few_passes*
    python experiments/few_passes/tables.py means RESULTS...                              # default.csv
    python experiments/few_passes/tables.py show [FILE] [--against 200]                   # as README.md has them

A line of table.csv is a method on a task: means with 95 % bootstrap intervals over images, its runs on several splits
taken together, and what map_gn_fast with so many passes is ahead of it on the images that both have, with the
bootstrap-t interval of the paired differences and their p-value, corrected by Holm's procedure over all pairs of
methods on that task. A run that lost images has no line.
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
from mapga.records.image_scores import Scores, read_scores
from mapga.report.compare import Column, compare

TABLE = Path(__file__).parent / "table.csv"
METRICS = {"psnr": False, "stlpips_alex": True}  # whether less is better
OURS = "map_gn_fast"
AIM = ("map_ga_d_np", 200)  # what ours with a tenth of the passes is held against
COLUMNS = ["prior", "task", "sigma_y", "method", "passes", "images", "metric", "mean", "low", "high"]
COLUMNS += ["ahead", "ahead_low", "ahead_high", "p"]


def place(run: Run) -> tuple[str, str, float]:
    """Which runs stand in one table."""
    return run.names["prior"], run.names["task"], run.spec.sigma_y


def store(results: list[Path], to: Path = TABLE, passes: int = 20, *, all_pairs: bool = True) -> None:
    """Write down means, intervals and paired differences of every run that is done and no trial.

    Args:
        results: Folders.
        to: The table.
        passes: Of map_gn_fast, which the others are held against.
        all_pairs: Whether p-values are corrected over all pairs of methods on a task, or over those with map_gn_fast.

    Raises:
        SystemExit: A task without map_gn_fast at so many passes.
    """
    done = [one for folder in results for one in collect(folder)[0] if one.status == "done" and not one.spec.objective]
    runs = [one for one in done if not one.metrics["n_failed"]]
    print("\n".join(f"images were lost: {one.folder.name}" for one in done if one.metrics["n_failed"]))
    with to.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for where, of_it in groupby(sorted(runs, key=place), place):
            table.writerows(_lines(where, sorted(of_it, key=_method), passes, all_pairs))


def _method(run: Run) -> tuple[int, str]:
    return run.spec.config["passes"] or 0, run.names["solver"]


def _lines(where: tuple[str, str, float], runs: list[Run], passes: int, all_pairs: bool) -> Iterator[dict[str, object]]:
    found = {  # of two runs of a method on a split the one of more images
        method: {
            str(run.spec.config["dataset"].get("split")): read_scores(run)[0]
            for run in sorted(of_it, key=lambda run: int(run.metrics["n_images"]))
        }
        for method, of_it in groupby(runs, _method)
    }
    if (ours := found.pop((passes, OURS), None)) is None:
        sys.exit(f"{' '.join(map(str, where))}: no run of {OURS} with {passes} passes to hold the others against")
    found = {(passes, OURS): ours, **found}
    for metric, lower in METRICS.items():
        column = Column(
            np.stack([_values(one, ours, metric) for one in found.values()], axis=1), lower, None if all_pairs else 0
        )
        compared = compare([column])[0]
        for k, method in enumerate(found):
            pair, sign = compared.between(0, k) if k else None, -1 if lower else 1
            ends = sorted(sign * end for end in (pair.low, pair.high)) if pair else ("", "")
            own = column.values[np.isfinite(column.values[:, k]), k]
            numbers = [own.mean(), *compared.intervals[k]]
            ahead = [sign * pair.difference, *ends, pair.p] if pair else [""] * 4
            values = [*where, *reversed(method), len(own), metric]
            values += [one if one == "" else f"{one:.5g}" for one in (*numbers, *ahead)]
            yield dict(zip(COLUMNS, values, strict=True))


def _values(found: dict[str, Scores], ours: dict[str, Scores], metric: str) -> np.ndarray:
    """A method's numbers of the images that ours has, split by split; NaN where it has none."""
    return np.concatenate(
        [
            found[split].at(own.index, metric) if split in found else np.full(len(own.index), np.nan)
            for split, own in ours.items()
        ]
    )


def means(results: list[Path], to: Path) -> None:
    """Write down the means of every run that is done, with the ``final`` level of the default solver."""
    runs = [one for folder in results for one in collect(folder)[0] if one.status == "done"]
    with to.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["task", "sigma_y", "method", "final", "images", *METRICS])
        for run in sorted(runs, key=lambda run: (*place(run)[1:], *_method(run))):
            final, found = run.spec.config["solver"].get("final"), run.metrics["metrics"]
            numbers = [f"{found[metric]['mean']:.5g}" if metric in found else "" for metric in METRICS]
            table.writerow([*place(run)[1:], run.names["solver"], final, run.metrics["n_images"], *numbers])


def show(table: Path = TABLE, against: int | None = None) -> str:
    """PSNR of map_gn_fast, and what it is ahead of others with so many passes, by default its own; half an interval."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "psnr"]
    ours = [row for row in rows if not row["ahead"]]
    others = {(row["method"], int(row["passes"])) for row in rows if row["ahead"]}
    against = against or int(ours[0]["passes"])
    rivals = sorted(one for one in others if one[1] == against or one in (AIM, (OURS, 10), (OURS, 20)))
    lines = [f"| task, noise | {_named(OURS, ours[0]['passes'])} | {' | '.join(_named(*one) for one in rivals)} |"]
    lines.append(f"| --- {'| ---: ' * (1 + len(rivals))}|")
    for own in ours:
        where = [own[key] for key in ("prior", "task", "sigma_y")]
        of_it = {
            (row["method"], int(row["passes"])): row
            for row in rows
            if row["ahead"] and [row[key] for key in ("prior", "task", "sigma_y")] == where
        }
        cells = [_ahead(of_it[one]) if one in of_it else "" for one in rivals]
        lines.append(f"| {own['task']}, {float(own['sigma_y']):g} | {float(own['mean']):.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(method: str, passes: str | int) -> str:
    return f"`{method}` {passes}"


def _ahead(row: dict[str, str]) -> str:
    half = (float(row["ahead_high"]) - float(row["ahead_low"])) / 2
    return f"{float(row['ahead']):+.2f} ± {half:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    storing, means_of = commands.add_parser("store"), commands.add_parser("means")
    for one, default in ((storing, TABLE), (means_of, TABLE.with_name("default.csv"))):
        one.add_argument("results", type=Path, nargs="+")
        one.add_argument("--to", type=Path, default=default)
    storing.add_argument("--passes", type=int, default=20, help="of map_gn_fast, which the others are held against")
    showing = commands.add_parser("show")
    showing.add_argument("table", type=Path, nargs="?", default=TABLE)
    showing.add_argument("--against", type=int, help="passes of the others; by default those of map_gn_fast")
    given = parser.parse_args()
    if given.what == "store":
        store(given.results, given.to, given.passes)
    elif given.what == "means":
        means(given.results, given.to)
    else:
        print(show(given.table, given.against))
    return 0


if __name__ == "__main__":
    sys.exit(main())
