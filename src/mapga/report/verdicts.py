"""The columns of a task judged: intervals, marks and paired comparisons, from one resampling of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mapga.records.image_scores import Scores
from mapga.report.choices import Cell, Selection
from mapga.report.compare import Column, Comparison, Pair, compare
from mapga.report.coverage import cell_of

__all__ = ["judged", "of_common_seeds"]


def judged(
    chosen: Mapping[tuple[int, Selection], Mapping[str, Cell]],
    keys: Sequence[tuple[str, str]],
    scores: Mapping[Path, Scores],
) -> dict[tuple[int, Selection], tuple[dict[str, Cell], list[tuple[str, str, Pair]]]]:
    """The columns of a task with intervals, marks and pairs, from one resampling of its images.

    Only what is ranked is compared; the rest has the interval of its own images.
    """
    index = np.unique(np.concatenate([one.index for one in scores.values()])) if scores else np.empty(0, dtype=int)
    columns, places = [], []
    for (k, selection), column in chosen.items():
        metric = keys[k][0]
        able = [m for m in column if column[m].ranked and _has(scores, column[m], metric)]
        if able:
            seeds = sorted({seed for m in able for seed in column[m].seeds})
            values = np.stack([_values(scores, column[m], metric, index, seeds) for m in able], axis=2)
            columns.append(Column(values, cell_of(column[able[0]].run, metric)["lower_is_better"]))
            places.append((k, selection, able))
    compared = {(k, s): (able, one) for (k, s, able), one in zip(places, compare(columns), strict=True)}
    return {
        place: _marked(
            {m: _alone(cell, keys[place[0]][0], scores) for m, cell in column.items()},
            keys[place[0]][0],
            *compared.get(place, ([], Comparison([], []))),
        )
        for place, column in chosen.items()
    }


def of_common_seeds(column: dict[str, Cell]) -> dict[str, Cell]:
    """A task's column, nothing of it ranked where its methods have no seed in common: their noise differs."""
    seeds = [set(cell.seeds) for cell in column.values() if cell.ranked]
    if not seeds or set.intersection(*seeds):
        return column
    return {method: replace(cell, ranked=False) for method, cell in column.items()}


def _has(scores: Mapping[Path, Scores], cell: Cell, metric: str) -> bool:
    """Whether a cell has numbers of single images."""
    return any(metric in scores[run.folder].values for run in cell.runs)


def _values(
    scores: Mapping[Path, Scores], cell: Cell, metric: str, index: np.ndarray, seeds: Sequence[int]
) -> np.ndarray:
    """A cell's numbers (seeds, images), NaN where it has none."""
    own = {run.spec.seed: scores[run.folder] for run in cell.runs}
    return np.stack([own[s].at(index, metric) if s in own else np.full(len(index), np.nan) for s in seeds])


def _alone(cell: Cell, metric: str, scores: Mapping[Path, Scores]) -> Cell:
    """A cell that is not compared, with the interval of its own images where it has numbers of them."""
    if cell.ranked or not _has(scores, cell, metric):
        return cell
    index = np.unique(np.concatenate([scores[run.folder].index for run in cell.runs]))
    (found,) = compare([Column(_values(scores, cell, metric, index, cell.seeds)[:, :, None], lower_is_better=True)])
    low, high = found.intervals[0]
    return replace(cell, low=low, high=high)


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
    numbers = {method: cell for method, cell in marked.items() if cell.ranked}
    if numbers:
        lower = cell_of(next(iter(numbers.values())).run, metric)["lower_is_better"]
        means = {method: cell.mean if lower else -(cell.mean or 0.0) for method, cell in numbers.items()}
        best = min(means, key=lambda method: means[method] or 0.0)
        for method, cell in numbers.items():
            both = {best, method} <= set(able)
            pair = comparison.between(able.index(best), able.index(method)) if both else None
            equal = cell.mean == numbers[best].mean
            tied = pair is not None and pair.tied
            stars = pair.stars if pair is not None and not equal else ""
            marked[method] = replace(cell, best=equal or tied, stars=stars)
    return marked, [(able[pair.first], able[pair.second], pair) for pair in comparison.pairs]
