"""The images that a run lost: how many, and why. No mean is told without them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from mapga.records.journal import Row

__all__ = ["AllLost", "Losses"]


class AllLost(RuntimeError):
    """Every image of a run was worked on, and none was restored."""


@dataclass(frozen=True)
class Losses:
    """What became of a run's images; ``str`` says it in one line, "" where none is lost.

    Attributes:
        total: Images of the run.
        lost: Those without an answer.
        diverged: Of these, those whose solver produced NaN or infinity.
        unreadable: Of these, those that could not be read.
    """

    total: int
    lost: int
    diverged: int
    unreadable: int

    @classmethod
    def among(cls, rows: Iterable[Row]) -> Self:
        """Of a journal's rows."""
        found = [row.status for row in rows]
        lost = len(found) - found.count("done")
        return cls(len(found), lost, found.count("diverged"), found.count("failed"))

    @classmethod
    def told(cls, summary: Mapping[str, Any]) -> Self:
        """As a ``metrics.json`` tells it; one of earlier versions tells no reasons."""
        reasons = (int(summary.get(key, 0)) for key in ("n_diverged", "n_unreadable"))
        return cls(int(summary["n_images"]), int(summary["n_failed"]), *reasons)

    @property
    def all(self) -> bool:
        """Whether nothing is left."""
        return 0 < self.total == self.lost

    @property
    def reasons(self) -> str:
        """Why, with numbers."""
        known = {"diverged": self.diverged, "could not be read": self.unreadable}
        return ", ".join(f"{n} {why}" for why, n in known.items() if n)

    def __str__(self) -> str:
        if not self.lost:
            return ""
        why = f": {self.reasons}" if self.reasons else ""
        return f"{'all ' if self.all else f'{self.lost} of '}{self.total} images lost{why}"
