"""Which run stands for a method on a task: the best of its ablation, or the one of its setting for all tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mapga.records.collect import Run
from mapga.records.columns import metric_card, metric_names, settings_of
from mapga.report.coverage import Coverage, cell_of, comparable
from mapga.report.repeats import coverage_of, interval_of, mean_of, repeats, spread_of
from mapga.report.studies import Study

__all__ = [
    "Cell",
    "Selection",
    "choose",
    "fixed_settings",
    "lower_is_better",
    "protocols",
]

Selection = Literal["best", "fixed"]


@dataclass(frozen=True)
class Cell:
    """A method on a task.

    Attributes:
        runs: Those that stand for it, one a seed; none where there is no number.
        setting: What tells it apart from its ablation's other runs.
        tried: Settings with finished runs that it was chosen from.
        mean, low, high: Its number, over images and seeds, and 95 % interval (None where there is none).
        spread: Standard deviation between the means of its seeds; None of one seed.
        coverage: The images behind it.
        ranked: Whether it is of every image that the others have; one that is not is never best.
        best: No method is better, or the test cannot tell it from the best.
        stars: How sure it is that it is worse than the best (Holm): "*" p < 0.05, "**" p < 0.01.
        reason: Why there is no number.
    """

    runs: tuple[Run, ...] = ()
    setting: str = ""
    tried: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    coverage: Coverage = field(default_factory=Coverage)
    ranked: bool = False
    best: bool = False
    stars: str = ""
    reason: str = "not run"

    @property
    def run(self) -> Run | None:
        """The run of the first seed: the one whose pictures are shown."""
        return self.runs[0] if self.runs else None

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.spec.seed for run in self.runs)


def choose(
    study: Study, task: str, method: str, metric: str, protocol: str, fixed: str | None, selection: Selection
) -> Cell:
    """The runs of the setting that stands for a method on a task, one a seed."""
    family = study.of(task, method)
    if not family:
        return Cell()
    done = [run for run in family if run.status == "done"]
    able = [run for run in done if _protocol(run, metric) == protocol and cell_of(run, metric).get("mean") is not None]
    if not able:
        status = family[0].status if not done else "not measured"
        other = any(_protocol(run, metric) not in (None, protocol) for run in done)
        return Cell(reason="other protocol" if other else status)
    settings = repeats(able, study.setting_of)
    if selection == "fixed":
        settings = [runs for runs in settings if study.setting_of[runs[0].folder] == fixed]
        if not settings:
            return Cell(reason="setting not run")
    sign = 1 if cell_of(able[0], metric)["lower_is_better"] else -1
    seeds = max(map(len, settings))
    runs = min(
        settings,
        key=lambda one: (
            *_missing(study, one, metric),
            seeds - len(one),
            sign * mean_of(one, metric),
            one[0].folder.name,
        ),
    )
    low, high = interval_of(runs, metric)
    return Cell(
        runs,
        study.setting_of[runs[0].folder],
        len(settings),
        mean_of(runs, metric),
        low,
        high,
        spread_of(runs, metric),
        coverage_of(runs, metric),
        metric_card(study.runs, metric).ordered and not _missing(study, runs, metric)[0],
        reason="",
    )


def _missing(study: Study, runs: Sequence[Run], metric: str) -> tuple[bool, int]:
    """Whether the number of some runs lacks images that others have, and if so how many: the fewer the better."""
    if all(comparable(run, metric, study.compared) for run in runs):
        return False, 0
    found = coverage_of(runs, metric)
    return True, found.total - found.n


def fixed_settings(study: Study, keys: Sequence[tuple[str, str]]) -> dict[str, str]:
    """For each method the setting that ran on most tasks and, of those, ranks best on average over tasks and metrics.

    A check has no say: the answer that repeats the measurement wins it. Where a run lost images, it did not run.
    """
    fixed = {}
    for method in study.methods:
        ranks: dict[str, list[float]] = {}
        missing: Counter[str] = Counter()
        for task in study.tasks:
            for metric, protocol in keys:
                runs = [run for run in study.of(task, method) if _protocol(run, metric) == protocol]
                runs = [run for run in runs if cell_of(run, metric).get("mean") is not None]
                for run in runs:
                    ranks.setdefault(study.setting_of[run.folder], [])
                    missing[study.setting_of[run.folder]] += _missing(study, [run], metric)[1]
                sign = 1 if lower_is_better(study, metric) else -1
                order = [run for run in runs if comparable(run, metric, study.compared)]
                order.sort(key=lambda run: sign * cell_of(run, metric)["mean"])
                for place, run in enumerate(order):
                    weight = 0 if metric_card(study.runs, metric).check else place
                    ranks[study.setting_of[run.folder]].append(weight)
        if ranks:
            fixed[method] = min(
                ranks, key=lambda one: (-len(ranks[one]), np.mean(ranks[one] or [0]), missing[one], one)
            )
    return fixed


def protocols(study: Study) -> list[tuple[str, str]]:
    """Each (metric, protocol) of a study, in the reader's order."""
    return [
        (metric, protocol)
        for metric in metric_names(study.runs)
        for protocol in sorted({_protocol(run, metric) or "" for run in study.runs if cell_of(run, metric)})
    ]


def _protocol(run: Run, metric: str) -> str | None:
    """How a run's metric was computed: its key (flavour, N, reference) or its settings; None if it has none."""
    if run.status != "done" or metric not in run.metrics["metrics"]:
        return None
    return str(cell_of(run, metric).get("key") or settings_of(run, metric))


def lower_is_better(study: Study, metric: str) -> bool:
    return next(bool(cell["lower_is_better"]) for run in study.runs if (cell := cell_of(run, metric)))
