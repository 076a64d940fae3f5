"""The settings of experiment=mnist: as many trials for each method, on validation digits, which nothing reports.

    python experiments/mnist/tune.py run RESULTS       # 210 runs, 70 minutes of one core; goes on where it was
    python experiments/mnist/tune.py choose RESULTS    # trials.csv beside it, and conf/tuned/mnist-<method>.yaml

A setting's score is the geometric mean over the tasks of its mean ST-LPIPS, so that every task weighs the same.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import yaml

from mapga.config.files import conf_dir
from mapga.records.collect import Run, collect

HERE = Path(__file__).parent
OBJECTIVE = "stlpips_alex"
COLUMNS = ["method", "setting", "task", "images", "passes", OBJECTIVE]

Setting = Mapping[str, Any]


def settings() -> dict[str, list[Setting]]:
    """What is tried of each method."""
    knobs = yaml.safe_load((HERE / "knobs.yaml").read_text(encoding="utf-8"))
    grid = [dict(zip(knobs["grid"], point, strict=True)) for point in product(*knobs["grid"].values())]
    return {method: [own | point for own in tried for point in grid] for method, tried in knobs["methods"].items()}


def written(setting: Setting) -> str:
    """As on a command line."""
    return " ".join(
        f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in setting.items()
    )


def run(results: Path) -> int:
    """Every trial; those that are finished are not run again."""
    for method, tried in settings().items():
        for setting in tried:
            command = ["run", "-m", "experiment=mnist_tune", f"solver={method}", *written(setting).split()]
            if code := subprocess.call([sys.executable, "-m", "mapga.cli", *command, f"results_dir={results}"]):
                return code
    return 0


def trials(results: Path) -> Iterator[dict[str, Any]]:
    """What each trial found, from its run.

    Raises:
        SystemExit: Naming a setting that was not run on every task, or is there twice.
    """
    runs = [found for found in collect(results)[0] if found.status == "done" and found.spec.objective == OBJECTIVE]
    tasks = sorted({found.names["task"] for found in runs})
    for method, tried in settings().items():
        for setting, task in product(tried, tasks):
            names = {"solver": method, "task": task}
            of_it = [one for one in runs if names.items() <= one.names.items() and _has(one, setting)]
            if len(of_it) != 1:
                sys.exit(f"{method} {written(setting)}, {task}: {len(of_it)} runs below {results}, not 1; `run` first")
            summary = of_it[0].metrics
            passes = summary["compute"]["forward"] + summary["compute"]["vjp"]
            values = [
                method,
                written(setting),
                task,
                summary["n_images"],
                passes,
                summary["metrics"][OBJECTIVE]["mean"],
            ]
            yield dict(zip(COLUMNS, values, strict=True))


def best(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The setting of each method with the least score."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        found.setdefault(row["method"], {}).setdefault(row["setting"], []).append(float(row[OBJECTIVE]))
    scores = {method: {one: geometric_mean(values) for one, values in tried.items()} for method, tried in found.items()}
    return {method: min(tried, key=tried.__getitem__) for method, tried in scores.items()}


def choose(results: Path) -> int:
    """Store the trials and what they chose."""
    rows = list(trials(results))
    with (HERE / "trials.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows({**row, OBJECTIVE: f"{row[OBJECTIVE]:.6g}"} for row in rows)
    for method, setting in best(rows).items():
        text = "# @package _global_\n# The best of six trials on validation digits (experiments/mnist/trials.csv).\n"
        text += yaml.safe_dump(_nested(setting), sort_keys=False)
        (conf_dir() / "tuned" / f"mnist-{method}.yaml").write_text(text, encoding="utf-8")
        print(f"{method}: {setting}")
    return 0


def _has(one: Run, setting: Setting) -> bool:
    """Whether a run's config has these values; a run's num_iter is its solver's."""
    for key, value in setting.items():
        part, _, name = key.rpartition(".")
        if one.spec.config[part or "solver"][name] != value:
            return False
    return True


def _nested(setting: str) -> dict[str, Any]:
    """{"schedule": {"rho": 7}} of "schedule.rho=7"."""
    out: dict[str, Any] = {}
    for word in setting.split():
        key, _, value = word.partition("=")
        part, _, name = key.rpartition(".")
        (out.setdefault(part, {}) if part else out)[name] = yaml.safe_load(value)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "choose"])
    parser.add_argument("results", type=Path)
    arguments = parser.parse_args()
    return {"run": run, "choose": choose}[arguments.what](arguments.results)


if __name__ == "__main__":
    sys.exit(main())
