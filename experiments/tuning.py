"""Trials of a study's methods, as many for each, on images that nothing reports: what experiments/*/tune.py share.

A study's ``knobs.yaml`` holds ``methods``, what is tried of each, and ``grid``, a list of axes: each setting of a
method is tried with each choice of each axis. A trial is ``mapga run -m experiment=<experiment>_tune`` with a setting.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any

import yaml

from mapga.cli import main as mapga
from mapga.config.files import conf_dir
from mapga.node import SOLVER
from mapga.records.collect import Run, collect
from mapga.records.journal import Journal
from mapga.records.losses import Losses

__all__ = ["Setting", "Tuning", "main", "written"]

Setting = Mapping[str, Any]

#: How the means of several tasks, each of the same weight, are one number, and which of two is the better.
SCORES: dict[str, tuple[Callable[[Sequence[float]], float], Callable[..., str]]] = {
    "stlpips_alex": (geometric_mean, min),
    "psnr": (fmean, max),  # decibels are logarithms already
}


@dataclass(frozen=True)
class Tuning:
    """The trials of one experiment.

    Attributes:
        folder: Of the study: where the knobs are, and the trials are stored.
        experiment: Whose settings are chosen, in conf/experiment.
        objective: The metric that they are chosen by.
        methods: Those that are tried; None for all of the knobs.
        trials, knobs: The files in the folder that hold what was found, and what is tried.
    """

    folder: Path
    experiment: str
    objective: str
    methods: Sequence[str] | None = None
    trials: str = "trials.csv"
    knobs: str = "knobs.yaml"

    @property
    def columns(self) -> list[str]:
        return ["method", "setting", "task", "sigma_y", "images", "passes", self.objective]

    def settings(self) -> dict[str, list[Setting]]:
        """What is tried of each method."""
        knobs = yaml.safe_load((self.folder / self.knobs).read_text(encoding="utf-8"))
        points = [{k: v for choice in point for k, v in choice.items()} for point in product(*knobs["grid"])]
        tried = {
            method: [own | point for own in of_it for point in points] for method, of_it in knobs["methods"].items()
        }
        return {method: tried[method] for method in self.methods or tried}

    def run(self, results: Path, jobs: int = 1, more: Sequence[str] = ()) -> int:
        """Every trial, several methods at a time, with more overrides for all; what is finished is not run again.

        Returns:
            The highest exit status, that of a trial that lost images too.
        """
        of_all = [*more, f"results_dir={results}"]
        commands = [
            [
                ["run", "-m", f"experiment={self.experiment}_tune", f"solver={method}", *_overrides(setting), *of_all]
                for setting in tried
            ]
            for method, tried in self.settings().items()
        ]
        if jobs == 1:
            return max(map(_mapga, commands))
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            return max(pool.map(_mapga, commands))

    def rows(self, results: Path) -> Iterator[dict[str, Any]]:
        """What each trial found, from its run; NaN where it lost images.

        Raises:
            SystemExit: No trials at all, or naming a setting that was not run on every task, or is there twice.
        """
        trials = [one for one in collect(results)[0] if one.spec.objective == self.objective]
        runs = [one for one in trials if one.status == "done" or _lost_all(one)]
        places = sorted({(found.names["task"], found.spec.sigma_y) for found in runs})
        if not places:
            sys.exit(f"no finished trial by {self.objective} below {results}; `run` first")
        for method, tried in self.settings().items():
            for setting, place in product(tried, places):
                task, sigma_y = place
                names = {"solver": method, "task": task}
                of_it = [
                    one
                    for one in runs
                    if names.items() <= one.names.items() and one.spec.sigma_y == sigma_y and has(one, setting)
                ]
                if len(of_it) != 1:
                    what = f"{method} {written(setting)}, {task}, noise {sigma_y:g}"
                    sys.exit(f"{what}: {len(of_it)} runs below {results}, not 1; `run` first")
                values = [method, written(setting), *place, *_found(of_it[0], self.objective)]
                yield dict(zip(self.columns, values, strict=True))

    def best(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The setting of each method with the best score, of those that lost no image.

        Raises:
            SystemExit: A method without any.
        """
        found: dict[str, dict[str, list[float]]] = {}
        for row in rows:
            found.setdefault(row["method"], {}).setdefault(row["setting"], []).append(float(row[self.objective]))
        mean, better = SCORES[self.objective]
        whole = {
            method: {one: values for one, values in tried.items() if not any(map(math.isnan, values))}
            for method, tried in found.items()
        }
        if lost := [method for method, tried in whole.items() if not tried]:
            sys.exit(f"{', '.join(lost)}: every setting lost images; try others")
        scores = {method: {one: mean(values) for one, values in tried.items()} for method, tried in whole.items()}
        return {method: better(tried, key=tried.__getitem__) for method, tried in scores.items()}

    def choose(self, results: Path) -> int:
        """Store the trials and what they chose."""
        rows = list(self.rows(results))
        with (self.folder / self.trials).open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, self.columns)
            table.writeheader()
            table.writerows({**row, self.objective: f"{row[self.objective]:.6g}"} for row in rows)
        where = f"experiments/{self.folder.name}/{self.trials}"
        for method, setting in self.best(rows).items():
            tried = len({row["setting"] for row in rows if row["method"] == method})
            text = f"# @package _global_\n# The best of {tried} trials on images that nothing reports ({where}).\n"
            text += yaml.safe_dump(nested(setting), sort_keys=False)
            (conf_dir() / "tuned" / f"{self.experiment}-{method}.yaml").write_text(text, encoding="utf-8")
            print(f"{method}: {setting}")
        return 0


def _lost_all(one: Run) -> bool:
    """Whether it worked on every image and restored none; such a run has no numbers."""
    if one.status != "failed":
        return False
    losses = Losses.among(Journal(one.folder / "journal.jsonl").rows())
    return losses.all and losses.total == one.spec.images


def _found(one: Run, objective: str) -> tuple[int, float, float]:
    """Images of a trial, passes of each, and its score; NaN where it lost images."""
    if one.status != "done":
        return one.spec.images or 0, float(one.spec.passes), math.nan
    cost, score = one.metrics["compute"], one.metrics["metrics"]
    value = math.nan if one.metrics["n_failed"] else score[objective]["mean"]
    return one.metrics["n_images"], cost["forward"] + cost["vjp"], value


def written(setting: Setting) -> str:
    """As on a command line."""
    return " ".join(f"{key}={_word(value)}" for key, value in setting.items())


def has(one: Run, setting: Setting) -> bool:
    """Whether a run has these values; a run's num_iter is its solver's."""
    solver = vars(one.spec.node(SOLVER).namespace)
    for key, value in setting.items():
        part, _, name = key.rpartition(".")
        values = solver if part in ("solver", "") else one.spec.config[part]
        if values[name] != value:
            return False
    return True


def nested(setting: str) -> dict[str, Any]:
    """{"schedule": {"rho": 7}} of "schedule.rho=7"."""
    out: dict[str, Any] = {}
    for word in setting.split():
        key, _, value = word.partition("=")
        part, _, name = key.rpartition(".")
        (out.setdefault(part, {}) if part else out)[name] = yaml.safe_load(value)
    return out


def main(tunings: Mapping[str, Tuning], doc: str | None) -> int:
    """The command line of a study's tune.py."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "choose"])
    parser.add_argument("results", type=Path)
    parser.add_argument("overrides", nargs="*", help="of every trial, as device=cuda")
    parser.add_argument("--jobs", type=int, default=1, help="methods at a time")
    parser.add_argument("--of", choices=tunings, default=next(iter(tunings)), help="the experiment")
    given = parser.parse_intermixed_args()
    tuning = tunings[given.of]
    if given.what == "choose":
        return tuning.choose(given.results)
    return tuning.run(given.results, given.jobs, given.overrides)


def _overrides(setting: Setting) -> list[str]:
    """As Hydra takes them, keys that a file leaves at their default too."""
    return [f"{'++' if '.' in key else ''}{key}={_word(value)}" for key, value in setting.items()]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapga(commands: Sequence[Sequence[str]]) -> int:
    """Several commands in one process: libraries take longer to load than a trial does."""
    return max(map(mapga, commands))
