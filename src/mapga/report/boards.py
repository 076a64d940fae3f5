"""One metric of one study: tasks across, methods down, the best of each ablation beside one setting for all tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mapga.card import MetricCard
from mapga.records.columns import metric_card
from mapga.records.image_scores import Scores, read_scores
from mapga.report.choices import (
    Cell,
    Selection,
    choose,
    fixed_settings,
    lower_is_better,
    protocols,
)
from mapga.report.compare import Pair, starless
from mapga.report.coverage import cell_of
from mapga.report.layout import number
from mapga.report.passes import passes_text
from mapga.report.repeats import seeds_text
from mapga.report.studies import Study
from mapga.report.verdicts import judged, of_common_seeds

__all__ = ["Board", "boards"]


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

    def passes(self, method: str) -> str:
        """What a method's runs took for an image: one number, or from the least to the most of the tasks."""
        return passes_text(run for (_, other), cell in self.cells.items() if other == method for run in cell.runs)

    def pictured(self, task: str) -> dict[str, Cell]:
        """The cells of a task whose pictures are shown side by side: those that have its first seed."""
        cells = {method: cell for method in self.study.methods if (cell := self.cells[task, method]).runs}
        first = min((min(cell.seeds) for cell in cells.values()), default=0)
        return {method: cell for method, cell in cells.items() if first in cell.seeds}

    @property
    def cautions(self) -> list[str]:
        """Where its paired tests say less, or more, than they seem to."""
        few, skewed, fewer = [], [], []
        for task, found in self.pairs.items():
            most = max(
                (
                    cell.coverage.n // sum(run.spec.samples for run in cell.runs)
                    for (t, _), cell in self.cells.items()
                    if t == task and cell.runs
                ),
                default=0,
            )
            if (shared := min((pair.n for *_, pair in found), default=most)) < most:
                fewer.append(f"{task} ({shared} of {most})")
            if starless(pairs := [pair for *_, pair in found]):
                few.append(f"{task} ({max(pair.n for pair in pairs)} images, {len(pairs)} pairs)")
            elif any(pair.skewed for pair in pairs):
                skewed.append(task)
        notes = [*self._said, *self._untested]
        notes += [f"methods are compared on the images that both have: {', '.join(fewer)}"] if fewer else []
        notes += [f"too few images for any difference to be significant: {', '.join(few)}"] if few else []
        if skewed:
            notes.append(
                "so few images weigh so much in a difference that p < 0.05 may come by chance in more than 8 of 100 "
                f"cases (experiments/paired_tests): {', '.join(skewed)}"
            )
        return notes

    @property
    def _said(self) -> list[str]:
        """What runs say of their numbers, and why they have none."""
        runs = [run for place, cell in self.cells.items() for run in cell.runs or self.study.of(*place)]
        return list(dict.fromkeys(note for run in runs for note in cell_of(run, self.metric).get("notes", ())))

    @property
    def _untested(self) -> list[str]:
        """Which ranked methods share numbers of single images with no other, without which nothing is tested."""
        found = []
        for task in self.study.tasks:
            ranked = [method for method in self.study.methods if self.cells.get((task, method), Cell()).ranked]
            tested = {method for *both, _ in self.pairs.get(task, ()) for method in both}
            found += [f"{method} on {task}" for method in ranked if len(ranked) > 1 and method not in tested]
        return [f"not tested, for want of numbers of images that another has too: {', '.join(found)}"] if found else []

    @property
    def repeated(self) -> list[str]:
        """What a reader must know of its seeds, if there are several."""
        if len(self.study.seeds) < 2:
            return []
        notes = [
            f"mean over images and {seeds_text(self.study.seeds)}; ±: standard deviation between the seeds' means; an "
            "image's difference is its mean over the seeds that two methods share; pictures are of the first seed"
        ]
        fewer, apart = [], []
        for task in self.study.tasks:
            cells = {m: cell for m in self.study.methods if (cell := self.cells.get((task, m), Cell())).runs}
            every = {seed for cell in cells.values() for seed in cell.seeds}
            lacking = {m: sorted(every - set(cell.seeds)) for m, cell in cells.items()}
            fewer += [f"{m} on {task} ({seeds_text(seeds)})" for m, seeds in lacking.items() if seeds]
            apart += [task] if every and not set.intersection(*(set(cell.seeds) for cell in cells.values())) else []
        notes += [f"without seeds that others have: {', '.join(fewer)}"] if fewer else []
        return notes + ([f"not compared, for want of a common seed: {', '.join(apart)}"] if apart else [])

    @property
    def floors(self) -> list[str]:
        """What a faultless answer comes to on each task, in a line: no method can be expected to do better."""
        known = [f"{task} {number(floor, self.card.digits)}" for task, floor in self.floor_of.items()]
        usual = "what as many real images score" if self.of_sets else "what rounding to 8 bits alone comes to"
        what = self.card.floor or usual
        return [f"{what}: {', '.join(known)}"] if known else []

    def floor(self, task: str) -> str:
        """What a faultless answer comes to on a task, as text."""
        return number(self.floor_of[task], self.card.digits) if task in self.floor_of else "–"

    @property
    def floor_of(self) -> dict[str, float]:
        """By task what a faultless answer comes to, where it is known."""
        cells = {task: cell_of(cell.run, self.metric) for (task, _), cell in self.cells.items() if cell.run is not None}
        return {task: cell["floor"] for task, cell in cells.items() if "floor" in cell}

    @property
    def title(self) -> str:
        return f"{self.study.heading}: {self.measured}, {self.direction}" + (
            f" [{self.protocol}]" if self.protocol else ""
        )

    @property
    def direction(self) -> str:
        """Which numbers are better, in words."""
        if not self.card.ordered:
            return "neither less nor more is better"
        return f"{'lower' if self.lower_is_better else 'higher'} is better"

    @property
    def measured(self) -> str:
        """What people call its metric."""
        return self.card.title(self.metric)

    def shown(self, name: str) -> str:
        """What people call a method or a task."""
        return self.study.shown.get(name, name)


def boards(study: Study) -> tuple[list[Board], list[str]]:
    """Every board of a study, best and fixed, and a line for what could not be read."""
    keys = protocols(study)
    fixed = fixed_settings(study, keys)
    cells: dict[tuple[int, Selection], dict[tuple[str, str], Cell]] = {}
    pairs: dict[tuple[int, Selection], dict[str, list[tuple[str, str, Pair]]]] = {}
    troubles = []
    for task in study.tasks:
        scores: dict[Path, Scores] = {}
        chosen: dict[tuple[int, Selection], dict[str, Cell]] = {}
        for k, (metric, protocol) in enumerate(keys):
            for selection in ("best", "fixed"):
                column = {m: choose(study, task, m, metric, protocol, fixed.get(m), selection) for m in study.methods}
                chosen[k, selection] = column = of_common_seeds(column)
                for run in (run for cell in column.values() for run in cell.runs):
                    if run.folder not in scores:
                        scores[run.folder], lines = read_scores(run)
                        troubles += lines
        for place, (column, found) in judged(chosen, keys, scores).items():
            cells.setdefault(place, {}).update({(task, method): cell for method, cell in column.items()})
            pairs.setdefault(place, {})[task] = found
    several = {metric for metric, _ in keys if sum(metric == other for other, _ in keys) > 1}
    made = [
        Board(
            study,
            metric,
            protocol if "|" in protocol or metric in several else "",
            lower_is_better(study, metric),
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
