"""``mapga compare A B``: the runs that two folders share, number by number and pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mapga.errors import ConfigError, closest
from mapga.records.collect import Run, check_folder, collect, no_runs
from mapga.records.columns import columns, metric_card, metric_names
from mapga.records.image_scores import Scores, read_scores
from mapga.records.store import ImageStore
from mapga.report.compare import Column, compare
from mapga.report.coverage import cell_of

__all__ = ["Difference", "compared"]


@dataclass(frozen=True)
class Difference:
    """One metric of a run in two folders.

    Attributes:
        metric: Which.
        first, second: The numbers; None where there is none.
        difference, low, high: Of second - first over the n images that both have, and its 95 % interval; or None.
        n: Those images.
        digits: Decimals that a reader needs.
    """

    metric: str
    first: float | None
    second: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    digits: int = 4

    def beyond(self, tolerance: float) -> bool:
        """Whether the numbers differ by more than a tolerance, or one of them is missing."""
        if self.first is None or self.second is None:
            return self.first is not self.second
        return abs(self.second - self.first) > tolerance

    def __str__(self) -> str:
        first, second = ("no number" if one is None else f"{one:.{self.digits}f}" for one in (self.first, self.second))
        line = f"  {self.metric}: {first} | {second}"
        if self.difference is None or self.low is None or self.high is None:
            return line
        interval = f" [{self.low:+.4g}, {self.high:+.4g}]" if np.isfinite(self.low) else ""
        return f"{line}, difference {self.difference:+.4g}{interval} over {self.n} images"


def compared(one: Path, other: Path, metric: str | None) -> Iterator[tuple[str, list[Difference]]]:
    """Of each run that both folders have finished a line, which says how many images are the same, and its numbers.

    Args:
        one, other: Results folders.
        metric: Only this one; None: all.

    Raises:
        ConfigError: A folder without finished runs, none that both have, or a metric that none has.
    """
    own, others = _finished(one), _finished(other)
    runs = columns([*own, *others])  # together, so that a column is one thing in both
    first, second = ({run.folder.name: run for run in part} for part in (runs[: len(own)], runs[len(own) :]))
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise ConfigError(f"{one} and {other} share no run: ids are of what a run is; 'mapga ls' lists them")
    known = metric_names(runs)
    if metric is not None and metric not in known:
        raise ConfigError(f"no run has a metric {metric!r}{closest(metric, known)} there are {', '.join(known)}")
    for root, here, there in ((one, first, second), (other, second, first)):
        if alone := sorted(here.keys() - there.keys()):
            yield f"only in {root}: {', '.join(alone)}", []
    for name in shared:
        pair = first[name], second[name]
        scores = [read_scores(run)[0] for run in pair]
        same, total = _identical(pair, scores)
        wanted = [metric] if metric is not None else metric_names(pair)
        found = [_difference(pair, scores, column) for column in wanted]
        yield f"{name}: identical images: {same} of {total}", found


def _finished(root: Path) -> list[Run]:
    check_folder(root)
    runs = [run for run in collect(root)[0] if run.status == "done"]
    if not runs:
        raise no_runs(root, "finished runs")
    return runs


def _identical(pair: tuple[Run, Run], scores: list[Scores]) -> tuple[int, int]:
    """How many images are the same pixel by pixel, of those that either has."""
    rows: list[Mapping[int, int]] = [dict(zip(one.index.tolist(), one.row.tolist(), strict=True)) for one in scores]
    stores = [ImageStore.open(run.folder / "images.npy") for run in pair]
    both = sorted(rows[0].keys() & rows[1].keys())
    crcs = [store.checksums([own[index] for index in both]) for store, own in zip(stores, rows, strict=True)]
    same = sum(crcs[0][rows[0][index]] == crcs[1][rows[1][index]] for index in both)
    return same, len(rows[0].keys() | rows[1].keys())


def _difference(pair: tuple[Run, Run], scores: list[Scores], metric: str) -> Difference:
    first, second = (cell_of(run, metric).get("mean") for run in pair)
    digits = metric_card(pair, metric).digits
    index = np.intersect1d(scores[0].index, scores[1].index)
    values = np.stack([one.at(index, metric) for one in scores], axis=1)
    kept = np.isfinite(values).all(axis=1)
    if not kept.any():
        return Difference(metric, first, second, digits=digits)
    (found,) = compare([Column(values[kept][:, ::-1], lower_is_better=True)])
    (gap,) = found.pairs
    return Difference(metric, first, second, gap.difference, gap.low, gap.high, gap.n, digits)
