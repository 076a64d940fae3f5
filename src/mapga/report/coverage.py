"""Which images a number is of, and which runs may therefore be compared.

One rule for tables, bests of ablations, trials, ranks and orders: a run is compared if it has every image that a run of
its problem has. One that lost others, however good its mean over the rest is, stands with its number and the images
behind it, and is nowhere the best. A picture that no run could read is nobody's loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mapga.records.collect import Run
from mapga.records.image_scores import read_scores
from mapga.records.losses import Losses
from mapga.report.layout import number

__all__ = ["Coverage", "cell_of", "comparable", "left_out", "perfect_note", "whole"]

_PERFECT = (
    "perfect: equal to the truth, so that its PSNR is infinite; it counts as the largest finite one of its size, and a "
    "mean with ≥ is a lower bound"
)
_NAMED = 3  # runs that a note names


@dataclass(frozen=True)
class Coverage:
    """The images behind a number; ``str`` says what a reader must know of them, "" if it is all and none is perfect.

    Attributes:
        n: Those that have the number.
        total: Those of the run.
        perfect: Of the n, those whose number is infinite and counts as the metric's ceiling.
    """

    n: int = 0
    total: int = 0
    perfect: int = 0

    @classmethod
    def of(cls, run: Run, metric: str) -> Self:
        """Of a finished run's number."""
        found, losses = cell_of(run, metric), Losses.told(run.metrics)
        perfect = int(found["n_infinite"]) if "ceiling" in found else 0
        return cls(int(found.get("n", losses.total - losses.lost)), losses.total, perfect)

    @property
    def all_perfect(self) -> bool:
        return 0 < self.n == self.perfect

    def number(self, mean: float, digits: int) -> str:
        """The number alone: infinite if every image is perfect, a lower bound if some are."""
        return "∞" if self.all_perfect else ("≥ " if self.perfect else "") + number(mean, digits)

    def written(self, mean: float, digits: int) -> str:
        """The number, with what a reader must know of its images."""
        return self.number(mean, digits) + (f" ({self})" if str(self) else "")

    def __str__(self) -> str:
        parts = [f"{self.perfect} of {self.n} perfect"] if self.perfect else []
        parts += [f"{self.n} of {self.total} images"] if self.n < self.total else []
        return ", ".join(parts)


def cell_of(run: Run | None, metric: str) -> Mapping[str, Any]:
    """What ``metrics.json`` says of a metric; empty if nothing."""
    found: Mapping[str, Any] = {} if run is None else run.metrics.get("metrics", {}).get(metric, {})
    return found


def whole(runs: Sequence[Run]) -> frozenset[Path]:
    """The folders of those finished runs of one problem that have every image that any of them has."""
    lost = {run.folder: _lost(run) for run in runs if run.status == "done"}
    known = [unreadable for unreadable, others in lost.values() if others is not None]
    nobodys = frozenset.intersection(*known) if known else frozenset()
    return frozenset(folder for folder, found in lost.items() if found == (nobodys, frozenset()))


def comparable(run: Run, metric: str, entire: frozenset[Path]) -> bool:
    """Whether a run's number is of every image; ``entire`` is ``whole`` of its problem's runs."""
    found = Coverage.of(run, metric)
    return run.folder in entire and found.n >= found.total - Losses.told(run.metrics).lost


def left_out(runs: Sequence[Run], entire: frozenset[Path]) -> list[str]:
    """A note that names the finished runs that are not compared; none if there is none."""
    names = [run.folder.name for run in runs if run.status == "done" and run.folder not in entire]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [
        f"{len(names)} of the runs lost images that others have; not compared, and never the best: "
        f"{', '.join(names[:_NAMED])}{more}"
    ]


def perfect_note(covered: Iterable[Coverage]) -> list[str]:
    """What perfect images are, if there are any."""
    return [_PERFECT] if any(one.perfect for one in covered) else []


def _lost(run: Run) -> tuple[frozenset[int], frozenset[int] | None]:
    """The images that could not be read, and those lost otherwise; None where the journal does not tell all."""
    losses = Losses.told(run.metrics)
    if not losses.lost:
        return frozenset(), frozenset()
    scores, _ = read_scores(run)
    if len(scores.lost) != losses.lost:
        return frozenset(), None
    unreadable = frozenset(scores.unreadable.tolist())
    return unreadable, frozenset(scores.lost.tolist()) - unreadable
