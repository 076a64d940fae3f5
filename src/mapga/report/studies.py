"""Which runs may stand in one table, which of them are one method's ablation, and what tells those apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mapga.card import SolverCard
from mapga.node import DATASET, OPERATOR, SOLVER, Slot
from mapga.records.collect import Run, told_apart
from mapga.report.coverage import left_out, whole
from mapga.report.passes import unequal, unequal_note

__all__ = ["Study", "studies"]

_ORDER = ("box50", "half", "expand", "box25", "sr2x", "altlines", "deblur", "supres4x")  # the paper's
_SOLVERS = ("pinv", "ddrm", "ct_zsie", "pgdm", "map_ga_d_np", "map_ga_d", "map_ga_np", "map_ga")


_OF_METHOD = ("prior", "schedule", "solver")  # what an ablation of a method varies
_OF_TASK = ("task.operator",)  # what is measured


@dataclass(frozen=True, eq=False)
class Study:
    """Runs on the same images with the same noise: their tasks are the columns of a table, their methods its rows.

    Runs that differ in their seed alone are repeats: one method's row.

    Attributes:
        title: Dataset, noise, and whatever tells it apart from the other studies.
        runs: Of any status.
        places: Of its methods and those of the studies beside it, in the order in which they come: how each is drawn.
    """

    title: str
    runs: tuple[Run, ...]
    places: dict[str, int] = field(default_factory=dict)

    @cached_property
    def tasks(self) -> list[str]:
        """In the paper's order, others by name."""
        found = set(self.task_of.values())
        return [task for task in _ORDER if task in found] + sorted(found - set(_ORDER))

    @cached_property
    def task_of(self) -> dict[Path, str]:
        """The task of each run, by its folder; what was measured otherwise under the same name is another one."""
        families: dict[str, list[Run]] = {}
        for run in self.runs:
            families.setdefault(run.names["task"], []).append(run)
        labels = {
            folder: label for family in families.values() for folder, label in told_apart(family, _OF_TASK).items()
        }
        return {run.folder: " ".join([run.names["task"], labels[run.folder]]).strip() for run in self.runs}

    @cached_property
    def seeds(self) -> list[int]:
        """Those of its finished runs, the least first."""
        return sorted({run.spec.seed for run in self.runs if run.status == "done"})

    @cached_property
    def methods(self) -> list[str]:
        """Solvers, with the prior's name where one solver ran with several."""
        found = set(self.method_of.values())
        known = [name for solver in _SOLVERS for name in sorted(found) if name.split(" ")[0] == solver]
        return known + sorted(found - set(known))

    @cached_property
    def method_of(self) -> dict[Path, str]:
        """The method of each run, by its folder."""
        priors: dict[str, set[str]] = {}
        for run in self.runs:
            priors.setdefault(run.names["solver"], set()).add(_prior(run))
        return {
            run.folder: run.names["solver"] + (f" ({_prior(run)})" if len(priors[run.names["solver"]]) > 1 else "")
            for run in self.runs
        }

    @cached_property
    def dataset(self) -> str:
        """What people call its dataset; the name where nobody said."""
        return next(filter(None, (run.spec.title(DATASET) for run in self.runs)), self.runs[0].names["dataset"])

    @cached_property
    def heading(self) -> str:
        """Its title as people say it."""
        return self.dataset + self.title.removeprefix(self.runs[0].names["dataset"])

    @cached_property
    def shown(self) -> dict[str, str]:
        """What people call its methods and tasks, by name: the name where nobody said, or two are called alike."""
        return {**self._called(SOLVER, "solver", self.method_of), **self._called(OPERATOR, "task", self.task_of)}

    def _called(self, slot: Slot, group: str, name_of: dict[Path, str]) -> dict[str, str]:
        found = dict.fromkeys(name_of.values(), "")
        for run in self.runs:
            name = name_of[run.folder]
            if (title := run.spec.title(slot)) and not found[name]:
                found[name] = title + name.removeprefix(run.names[group])
        alike = Counter(found.values())
        return {name: title if title and alike[title] == 1 else name for name, title in found.items()}

    @cached_property
    def setting_of(self) -> dict[Path, str]:
        """What tells each run apart from its method's others, "" if nothing varies."""
        labels: dict[Path, str] = {}
        for method in self.methods:
            family = [run for run in self.runs if self.method_of[run.folder] == method]
            labels |= told_apart(family, _OF_METHOD)
        return labels

    @cached_property
    def whole(self) -> frozenset[Path]:
        """The folders of the finished runs that have every image that any run of their task and seed has."""
        families: dict[tuple[str, int], list[Run]] = {}
        for run in self.runs:
            families.setdefault((self.task_of[run.folder], run.spec.seed), []).append(run)
        return frozenset().union(*map(whole, families.values()))

    @cached_property
    def compared(self) -> frozenset[Path]:
        """Those of the whole that took the passes which a study of equal passes allows: the others are never best."""
        return self.whole - unequal(self.runs)

    @property
    def left_out(self) -> list[str]:
        """A line for what is not compared, and why."""
        return left_out(self.runs, self.whole) + unequal_note(self.runs)

    @cached_property
    def cards(self) -> dict[str, SolverCard]:
        """What each method says of itself; the usual where it is none of this installation's."""
        found = {self.method_of[run.folder]: run.spec.card(SOLVER) for run in reversed(self.runs)}
        return {m: card if isinstance(card, SolverCard) else SolverCard() for m, card in found.items()}

    @property
    def remarks(self) -> list[str]:
        """What a reader must know of methods that stand in one table."""
        found: dict[str, str] = {}
        for method in self.methods:
            if remark := self.cards[method].remark:
                found.setdefault(remark, self.shown.get(method, method))
        return [f"{method}: {remark}" for remark, method in found.items()] if len(self.methods) > 1 else []

    def of(self, task: str, method: str) -> list[Run]:
        """Its runs on a task with a method."""
        return self._cells.get((task, method), [])

    @cached_property
    def _cells(self) -> dict[tuple[str, str], list[Run]]:
        cells: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            cells.setdefault((self.task_of[run.folder], self.method_of[run.folder]), []).append(run)
        return cells


def studies(runs: Sequence[Run]) -> list[Study]:
    """Runs grouped by what makes them comparable: dataset, noise, start, precision and rounding."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(repr(_ground(run)), []).append(run)
    titles = [_title(family[0]) for family in groups.values()]
    flat = [_ground(family[0]) for family in groups.values()]
    alike: dict[str, list[dict[str, Any]]] = {}
    for title, one in zip(titles, flat, strict=True):
        alike.setdefault(title, []).append(one)
    differing = {title: _differing(grounds) for title, grounds in alike.items()}
    found: list[Study] = []
    places: dict[str, int] = {}
    for family, title, one in zip(groups.values(), titles, flat, strict=True):
        more = " ".join(f"{key}={value}" for key, value in one.items() if key in differing[title])
        found.append(Study(title + (f", {more}" if more else ""), tuple(family), places))
    found.sort(key=lambda study: study.title)
    for method in (method for study in found for method in study.methods):
        places.setdefault(method, len(places))
    return found


def _differing(grounds: Sequence[dict[str, Any]]) -> set[str]:
    """The keys in which studies differ."""
    keys = {key for one in grounds for key in one}
    return {key for key in keys if len({repr(one.get(key)) for one in grounds}) > 1}


def _title(run: Run) -> str:
    noise = f", noise {run.problem.noise}" if run.problem.noise else ""
    return run.names["dataset"] + noise + (f", start={run.spec.start}" if run.spec.start else "")


def _ground(run: Run) -> dict[str, Any]:
    """Whatever must be the same for two runs to stand in one table."""
    spec = run.spec
    dataset = spec.without(DATASET, spec.card(DATASET).places)
    ground: dict[str, Any] = {f"dataset.{key}": value for key, value in dataset.items()}
    ground |= {"start": spec.start, "dtype": spec.dtype, "rounding": spec.rounding}
    return {"dataset": run.names["dataset"], "noise": run.problem.noise} | ground


def _prior(run: Run) -> str:
    return run.names["prior"]
