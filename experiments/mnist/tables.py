"""The tables of README.md, from what was measured of each image, which is stored beside this file.

    python experiments/mnist/tables.py store RESULTS    # images/*.csv, passes.csv, sets.csv, of finished runs
    python experiments/mnist/tables.py show             # the tables, as README.md has them

A mean has its 95 % bootstrap interval over images. Bold: the best, and whatever the paired test with Holm's correction
cannot tell from it; * and **: worse than the best, p < 0.05 and p < 0.01.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from mapga.metrics.statistics import bootstrap_interval
from mapga.records.collect import Run, collect
from mapga.records.image_scores import read_scores
from mapga.report.compare import Column, compare

HERE = Path(__file__).parent
METHODS = ["ddrm", "ct_zsie", "pgdm", "map_ga_d_np", "map_ga_d", "map_ga_np", "map_ga"]
TASKS = ["box50", "half", "expand", "sr2x", "supres4x"]
METRICS = {"stlpips_alex": "ST-LPIPS", "psnr": "PSNR (dB)", "ssim": "SSIM", "digit_accuracy": "digits read right"}
SETS = {"fd_efficientnet": "Fréchet distance", "kd_efficientnet": "kernel distance"}
REAL = "real digits"  # what other real images score, as many
LOWER = {"stlpips_alex"}
PAIRS = [("map_ga_d_np", "pgdm"), ("map_ga_d_np", "ddrm"), ("map_ga_np", "map_ga_d_np")]
DIGITS = {"stlpips_alex": 4, "psnr": 2, "ssim": 3, "digit_accuracy": 2, "fd_efficientnet": 1, "kd_efficientnet": 4}


def store(results: Path) -> None:
    """Write down each image's numbers, the passes of each run, and the numbers of sets.

    Raises:
        SystemExit: Naming a run that is missing, or lost an image.
    """
    runs = {(one.names["task"], one.names["solver"]): one for one in collect(results)[0] if one.status == "done"}
    places = [(task, method) for method in METHODS for task in TASKS]
    if missing := [" ".join(place) for place in places if place not in runs or runs[place].metrics["n_failed"]]:
        sys.exit(f"not finished, or images were lost: {', '.join(missing)}")
    scores = {place: read_scores(runs[place])[0] for place in places}
    index = scores[places[0]].index
    names = ["image", *("/".join(place) for place in places)]
    for metric in METRICS:
        columns = [[f"{value:.5g}" for value in scores[place].at(index, metric)] for place in places]
        _write(HERE / "images" / f"{metric}.csv", names, list(zip(index.tolist(), *columns, strict=True)))
    _write(HERE / "passes.csv", ["task", "method", "passes"], [(*place, _passes(runs[place])) for place in places])
    sets = [(*place, metric, f"{_of_set(runs[place], metric, 'mean'):.5g}") for place in places for metric in SETS]
    sets += [
        (task, REAL, metric, f"{_of_set(runs[task, METHODS[0]], metric, 'floor'):.5g}")
        for task in TASKS
        for metric in SETS
    ]
    _write(HERE / "sets.csv", ["task", "method", "metric", "value"], sets)


def show() -> str:
    """Every table in Markdown, from the stored numbers."""
    passes = {(row["task"], row["method"]): float(row["passes"]) for row in _read(HERE / "passes.csv")}
    nfe = {method: max(passes[task, method] for task in TASKS) for method in METHODS}
    parts = [_of_images("stlpips_alex", nfe, intervals=True)]
    parts += [_of_images(metric, nfe, intervals=False) for metric in METRICS if metric != "stlpips_alex"]
    return "\n".join([*parts, _of_pairs(), _of_sets(nfe)])


def _of_images(metric: str, nfe: dict[str, float], *, intervals: bool) -> str:
    rows = _read(HERE / "images" / f"{metric}.csv")
    columns = [
        Column(np.array([[float(row[f"{task}/{method}"]) for method in METHODS] for row in rows]), metric in LOWER)
        for task in TASKS
    ]
    cells: dict[str, list[str]] = {method: [] for method in METHODS}
    for column, found in zip(columns, compare(columns), strict=True):
        means = column.values.mean(0)
        best = int(means.argmin() if column.lower_is_better else means.argmax())
        for k, method in enumerate(METHODS):
            pair = found.between(best, k) if k != best else None
            low, high = found.intervals[k]
            text = f"{means[k]:.{DIGITS[metric]}f}"
            text += f" [{low:.{DIGITS[metric]}f}, {high:.{DIGITS[metric]}f}]" if intervals else ""
            cells[method].append(
                f"**{text}**" if pair is None or pair.tied else f"{text} {pair.stars}".replace("*", r"\*")
            )
    return _table(METRICS[metric], cells, nfe, f"{len(rows)} digits")


def _of_pairs() -> str:
    """Mean paired differences over digits with their 95 % intervals (bootstrap)."""
    parts = []
    for metric in ("stlpips_alex", "psnr"):
        rows = _read(HERE / "images" / f"{metric}.csv")
        lines = [f"| {METRICS[metric]}, paired | " + " | ".join(TASKS) + " |", "| --- |" + " ---: |" * len(TASKS)]
        for one, other in PAIRS:
            cells = []
            for task in TASKS:
                gaps = np.array([float(row[f"{task}/{one}"]) - float(row[f"{task}/{other}"]) for row in rows])
                found = bootstrap_interval(gaps)
                mean, low, high = (f"{value:+.{DIGITS[metric]}f}" for value in (found.mean, found.low, found.high))
                cells.append(f"{mean} [{low}, {high}]")
            lines.append(f"| {one} - {other} | " + " | ".join(cells) + " |")
        parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def _of_sets(nfe: dict[str, float]) -> str:
    values = {(row["metric"], row["task"], row["method"]): float(row["value"]) for row in _read(HERE / "sets.csv")}
    parts = []
    for metric, title in SETS.items():
        cells = {m: [f"{values[metric, task, m]:.{DIGITS[metric]}f}" for task in TASKS] for m in [*METHODS, REAL]}
        parts.append(_table(title, cells, nfe, "of features of EfficientNet"))
    return "\n".join(parts)


def _table(title: str, cells: dict[str, list[str]], nfe: dict[str, float], note: str) -> str:
    lines = [f"| {title}, {note} | passes | " + " | ".join(TASKS) + " |", "| --- |" + " ---: |" * (1 + len(TASKS))]
    passes = {method: f"{count:.0f}" for method, count in nfe.items()}
    lines += [f"| {method} | {passes.get(method, '')} | " + " | ".join(row) + " |" for method, row in cells.items()]
    return "\n".join([*lines, ""])


def _of_set(run: Run, metric: str, what: str) -> float:
    return float(run.metrics["metrics"][metric][what])


def _passes(run: Run) -> int:
    compute = run.metrics["compute"]
    return round(compute["forward"] + compute["vjp"])


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(path: Path, names: list[str], rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(names)
        table.writerows(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("store").add_argument("results", type=Path)
    commands.add_parser("show")
    arguments = parser.parse_args()
    if arguments.what == "store":
        store(arguments.results)
    else:
        print(show())
    return 0


if __name__ == "__main__":
    sys.exit(main())
