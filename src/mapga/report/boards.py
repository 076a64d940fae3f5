"""One metric of one study: tasks across, methods down, the best of each ablation beside one setting for all tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mapga.card import MetricCard
from mapga.node import metric as metric_slot
from mapga.records.collect import Run
from mapga.report.compare import Column, Comparison, Pair, compare
from mapga.report.scores import Scores, read_scores
from mapga.report.studies import Study

__all__ = ["Board", "Cell", "Selection", "boards", "metric_card", "metric_names"]

Selection = Literal["best", "fixed"]


@dataclass(frozen=True)
class Cell:
    """A method on a task.

    Attributes:
        run: The run that stands for it, or None.
        setting: What tells it apart from its ablation's other runs.
        tried: Finished runs that it was chosen from.
        mean, low, high: Its number and 95 % interval (None where there is none).
        n: Images behind it.
        best: No method is better, or the difference to the best may be chance.
        stars: How sure it is that it is worse than the best (Holm): "*" p < 0.05, "**" p < 0.01.
        reason: Why there is no number.
    """

    run: Run | None = None
    setting: str = ""
    tried: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    best: bool = False
    stars: str = ""
    reason: str = "not run"


@dataclass(frozen=True)
class Board:
    """A metric of a study, by one protocol.

    Attributes:
        study, metric: What it is of.
        protocol: How the metric was computed; "" where only one way is known.
        lower_is_better: Its direction.
        card: What the metric says of itself.
        selection: ``"best"``: the best run of each ablation; ``"fixed"``: a method's one setting for all tasks.
        cells: By (task, method).
        pairs: By task the paired comparisons, with the methods' names.
    """

    study: Study
    metric: str
    protocol: str
    lower_is_better: bool
    card: MetricCard
    selection: Selection
    cells: Mapping[tuple[str, str], Cell]
    pairs: Mapping[str, Sequence[tuple[str, str, Pair]]] = field(default_factory=dict)

    @property
    def of_sets(self) -> bool:
        """Whether it is a number of a whole set, which no single image has."""
        return "|" in self.protocol

    @property
    def title(self) -> str:
        arrow = "lower is better" if self.lower_is_better else "higher is better"
        return f"{self.study.title}: {self.metric}, {arrow}" + (f" [{self.protocol}]" if self.protocol else "")


def metric_names(runs: Sequence[Run]) -> list[str]:
    """The metrics of some runs, those first that a reader looks for first."""
    found = {name for run in runs for name in run.metrics.get("metrics", {})}
    return sorted(found, key=lambda name: (metric_card(runs, name).order, name))


def metric_card(runs: Sequence[Run], name: str) -> MetricCard:
    """What a metric of some runs says of itself; the usual where it is none of this installation's."""
    cards = (run.spec.card(metric_slot(name)) for run in runs if name in run.metrics.get("metrics", {}))
    return next((card for card in cards if isinstance(card, MetricCard)), MetricCard())


def boards(study: Study) -> tuple[list[Board], list[str]]:
    """Every board of a study, best and fixed, and a line for what could not be read."""
    keys = _protocols(study)
    fixed = _fixed_settings(study, keys)
    cells: dict[tuple[int, Selection], dict[tuple[str, str], Cell]] = {}
    pairs: dict[tuple[int, Selection], dict[str, list[tuple[str, str, Pair]]]] = {}
    troubles = []
    for task in study.tasks:
        scores: dict[Path, Scores] = {}
        chosen: dict[tuple[int, Selection], dict[str, Cell]] = {}
        for k, (metric, protocol) in enumerate(keys):
            for selection in ("best", "fixed"):
                column = {m: _choose(study, task, m, metric, protocol, fixed.get(m), selection) for m in study.methods}
                chosen[k, selection] = column
                for cell in column.values():
                    if cell.run is not None and cell.run.folder not in scores:
                        scores[cell.run.folder], lines = read_scores(cell.run)
                        troubles += lines
        for place, (column, found) in _judged(chosen, keys, scores).items():
            cells.setdefault(place, {}).update({(task, method): cell for method, cell in column.items()})
            pairs.setdefault(place, {})[task] = found
    several = {metric for metric, _ in keys if sum(metric == other for other, _ in keys) > 1}
    made = [
        Board(
            study,
            metric,
            protocol if "|" in protocol or metric in several else "",
            _lower(study, metric),
            metric_card(study.runs, metric),
            selection,
            cells[k, selection],
            pairs[k, selection],
        )
        for k, (metric, protocol) in enumerate(keys)
        for selection in ("best", "fixed")
        if (k, selection) in cells
    ]
    return made, troubles


def _judged(
    chosen: Mapping[tuple[int, Selection], Mapping[str, Cell]],
    keys: Sequence[tuple[str, str]],
    scores: Mapping[Path, Scores],
) -> dict[tuple[int, Selection], tuple[dict[str, Cell], list[tuple[str, str, Pair]]]]:
    """The columns of a task with intervals, marks and pairs, from one resampling of its images."""
    index = np.unique(np.concatenate([one.index for one in scores.values()])) if scores else np.empty(0, dtype=int)
    columns, places = [], []
    for (k, selection), column in chosen.items():
        metric = keys[k][0]
        able = [m for m, cell in column.items() if cell.run is not None and metric in scores[cell.run.folder].values]
        if able:
            runs = [column[m].run for m in able]
            values = np.stack([scores[run.folder].at(index, metric) for run in runs if run is not None], axis=1)
            columns.append(Column(values, _cell_of(runs[0], metric)["lower_is_better"]))
            places.append((k, selection, able))
    compared = {(k, s): (able, one) for (k, s, able), one in zip(places, compare(columns), strict=True)}
    return {
        place: _marked(dict(column), keys[place[0]][0], *compared.get(place, ([], Comparison([], []))))
        for place, column in chosen.items()
    }


def _marked(
    column: dict[str, Cell], metric: str, able: list[str], comparison: Comparison
) -> tuple[dict[str, Cell], list[tuple[str, str, Pair]]]:
    marked = {
        method: replace(
            cell, low=comparison.intervals[able.index(method)][0], high=comparison.intervals[able.index(method)][1]
        )
        if method in able
        else cell
        for method, cell in column.items()
    }
    numbers = {method: cell for method, cell in marked.items() if cell.mean is not None}
    if numbers:
        lower = _cell_of(next(iter(numbers.values())).run, metric)["lower_is_better"]
        means = {method: cell.mean if lower else -(cell.mean or 0.0) for method, cell in numbers.items()}
        best = min(means, key=lambda method: means[method] or 0.0)
        for method, cell in numbers.items():
            pair = comparison.between(able.index(best), able.index(method)) if {best, method} <= set(able) else None
            equal = cell.mean == numbers[best].mean
            tied = pair.tied if pair is not None else _overlap(cell, numbers[best])
            stars = pair.stars if pair is not None and not equal else ""
            marked[method] = replace(cell, best=equal or tied, stars=stars)
    return marked, [(able[pair.first], able[pair.second], pair) for pair in comparison.pairs]


def _choose(
    study: Study, task: str, method: str, metric: str, protocol: str, fixed: str | None, selection: Selection
) -> Cell:
    """The run that stands for a method on a task."""
    family = study.of(task, method)
    if not family:
        return Cell()
    done = [run for run in family if run.status == "done"]
    able = [run for run in done if _protocol(run, metric) == protocol and _cell_of(run, metric).get("mean") is not None]
    if not able:
        status = family[0].status if not done else "not measured"
        other = any(_protocol(run, metric) not in (None, protocol) for run in done)
        return Cell(reason="other protocol" if other else status)
    if selection == "fixed":
        able = [run for run in able if study.setting_of[run.folder] == fixed]
        if not able:
            return Cell(reason="setting not run")
    sign = 1 if _cell_of(able[0], metric)["lower_is_better"] else -1
    run = min(able, key=lambda one: (sign * _cell_of(one, metric)["mean"], one.folder.name))
    found = _cell_of(run, metric)
    low, high = found.get("interval") or (None, None)
    return Cell(
        run, study.setting_of[run.folder], len(able), found["mean"], low, high, int(found.get("n", 0)), reason=""
    )


def _fixed_settings(study: Study, keys: Sequence[tuple[str, str]]) -> dict[str, str]:
    """For each method the setting that ran on most tasks and, of those, ranks best on average over tasks and metrics.

    A check has no say: the answer that repeats the measurement wins it.
    """
    fixed = {}
    for method in study.methods:
        ranks: dict[str, list[float]] = {}
        for task in study.tasks:
            for metric, protocol in keys:
                runs = [run for run in study.of(task, method) if _protocol(run, metric) == protocol]
                runs = [run for run in runs if _cell_of(run, metric).get("mean") is not None]
                sign = 1 if _lower(study, metric) else -1
                order = sorted(runs, key=lambda run: sign * _cell_of(run, metric)["mean"])
                for place, run in enumerate(order):
                    weight = 0 if metric_card(study.runs, metric).check else place
                    ranks.setdefault(study.setting_of[run.folder], []).append(weight)
        if ranks:
            fixed[method] = min(ranks, key=lambda setting: (-len(ranks[setting]), np.mean(ranks[setting]), setting))
    return fixed


def _protocols(study: Study) -> list[tuple[str, str]]:
    """Each (metric, protocol) of a study, in the reader's order."""
    return [
        (metric, protocol)
        for metric in metric_names(study.runs)
        for protocol in sorted({_protocol(run, metric) or "" for run in study.runs if _cell_of(run, metric)})
    ]


def _protocol(run: Run, metric: str) -> str | None:
    """How a run's metric was computed: its key (flavour, N, reference) or its settings; None if it has none."""
    if run.status != "done" or metric not in run.metrics["metrics"]:
        return None
    settings = run.spec.without(slot := metric_slot(metric), ["_target_", *run.spec.card(slot).places])
    return str(_cell_of(run, metric).get("key") or " ".join(f"{key}={value}" for key, value in settings.items()))


def _lower(study: Study, metric: str) -> bool:
    return next(bool(cell["lower_is_better"]) for run in study.runs if (cell := _cell_of(run, metric)))


def _cell_of(run: Run | None, metric: str) -> Mapping[str, Any]:
    return {} if run is None else run.metrics.get("metrics", {}).get(metric, {})


def _overlap(one: Cell, other: Cell) -> bool:
    """For numbers of sets, which have no pairs: whether their intervals meet."""
    ends = (one.low, one.high, other.low, other.high)
    return all(end is not None for end in ends) and ends[0] <= ends[3] and ends[2] <= ends[1]  # type: ignore[operator]
