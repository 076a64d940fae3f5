"""Trials of a search for settings: which runs they are, what was found, and that nobody reports on their images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mapga.errors import ConfigError
from mapga.node import DATASET
from mapga.records.collect import Run, told_apart
from mapga.records.columns import metric_card, named
from mapga.records.image_scores import read_scores
from mapga.report.coverage import Coverage, comparable, left_out, whole
from mapga.report.layout import Entry, Table
from mapga.report.passes import NFE, passes_text

__all__ = ["check_disjoint", "is_trial", "trials_table"]


def is_trial(run: Run) -> bool:
    """Whether a run was made to find settings, so that its numbers are no result."""
    return run.spec.objective is not None


def check_disjoint(runs: Sequence[Run]) -> None:
    """Refuse to report a solver on images that its settings were searched on.

    Raises:
        ConfigError: Naming a trial, a run, and how many images they share.
    """
    trials: dict[str, list[Run]] = defaultdict(list)
    for run in filter(is_trial, runs):
        if run.status == "done":
            trials[_searched(run)].append(run)
    tuned = {key: (family[0], _images(family)) for key, family in trials.items()}
    for run in runs:
        if is_trial(run) or run.status != "done" or (found := tuned.get(_searched(run))) is None:
            continue
        trial, images = found
        if len(shared := np.intersect1d(images, _images([run]))):
            raise ConfigError(
                f"{run.folder.name} reports on {len(shared)} of the images that {run.names['solver']} was tuned on "
                f"(image {shared[0]} is one; a trial is {trial.folder.name}); choose disjoint ones by dataset.skip and "
                "dataset.limit, or report the trials' folder by itself"
            )


def trials_table(runs: Sequence[Run]) -> Table:
    """A line a trial, the best first, a search after the other, with the indices of its images.

    A setting that lost images is no candidate, and stands behind those that did not.
    """
    searches: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in filter(is_trial, runs):
        searches[str(run.problem), run.names["solver"], str(run.spec.objective)].append(run)
    lines, groups = [], []
    notes = ["trials chose settings; nothing of them is reported above, and no run on their images may be", NFE]
    for (problem, solver, name), family in searches.items():
        objective = next((column for run in family if (column := named(run, name)) != name), name)
        labels = told_apart(family, ("prior", "solver", "schedule"))
        cells = {run.folder: run.metrics.get("metrics", {}).get(objective, {}) for run in family}
        digits = metric_card(family, objective).digits
        lower = all(cell.get("lower_is_better", True) for cell in cells.values())
        means = {folder: cell.get("mean") for folder, cell in cells.items()}
        entire = whole(family)
        ranked = {run.folder for run in family if run.status == "done" and comparable(run, objective, entire)}
        known = sorted({mean for folder in ranked if (mean := means[folder]) is not None}, reverse=not lower)
        places = {folder: known.index(means[folder]) if folder in ranked else len(known) for folder in means}
        for place, run in sorted(((places[run.folder], run) for run in family), key=lambda one: one[0]):
            mean = means[run.folder]
            value = run.status if mean is None else Coverage.of(run, objective).written(mean, digits)
            entries = [problem, solver, labels[run.folder], objective, _span(run), passes_text([run])]
            lines.append([*map(Entry, entries), Entry(value, run.folder in ranked and place == 0)])
            groups.append(f"{problem} {solver} {objective}")
        notes += left_out(family, entire)
    header = ["problem", "solver", "settings", "objective", "images", "NFE", "mean"]
    return Table(header, lines, groups, notes, title="Trials", left=5)


def _searched(run: Run) -> str:
    """What settings are searched for: a solver on a dataset, whichever of its images."""
    card = run.spec.card(DATASET)
    rest = run.spec.without(DATASET, [*getattr(card, "choosing", ()), *card.places])
    return repr((run.names["dataset"], rest, run.names["solver"]))


def _images(family: Sequence[Run]) -> np.ndarray:
    """Dataset indices of all images of finished runs, the lost ones included."""
    scores = [read_scores(run)[0] for run in family]
    return np.unique(np.concatenate([part for one in scores for part in (one.index, one.lost)]))


def _span(run: Run) -> str:
    if run.status != "done":
        return ""
    images = _images([run])
    return f"{images[0]} to {images[-1]} ({len(images)})" if len(images) else "none"
