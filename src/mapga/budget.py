"""Network passes per image as a budget: the steps that it buys, and how far from it a study of equal passes may be."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

from mapga.errors import ConfigError
from mapga.node import Node
from mapga.schedules.base import MOST_STEPS

__all__ = ["Budget"]

_NAMED = 3  # settings that a refusal names


@dataclass(frozen=True)
class Budget:
    """What a run may spend on an image.

    Attributes:
        passes: Forward passes plus vector-Jacobian products.
        tolerance: Of a study of equal passes: how far from ``passes`` its runs may be, relative to them. None where
            ``passes`` are the most that a run spends.
    """

    passes: int
    tolerance: float | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self | None:
        """What a run's config states; None if nothing.

        Raises:
            ConfigError: A tolerance of no passes, or outside [0, 1).
        """
        passes, tolerance = config.get("passes"), config.get("equal_passes")
        if tolerance is not None and passes is None:
            raise ConfigError(f"equal_passes={tolerance}: say of how many, with passes=200 for example")
        if tolerance is not None and not 0 <= tolerance < 1:
            raise ConfigError(f"equal_passes={tolerance}: a share of passes, from 0 to below 1, such as 0.05")
        return None if passes is None else cls(passes, tolerance)

    @property
    def span(self) -> str:
        """What a study of equal passes allows."""
        return f"{self.passes} ± {100 * (self.tolerance or 0):g} %"

    def allows(self, passes: float) -> bool:
        """Whether a run of so many passes belongs to the study of equal passes."""
        return self.tolerance is None or abs(passes - self.passes) <= self.tolerance * self.passes + 1e-9

    def steps(self, name: str, solver: Node, usual: int) -> int:
        """The most steps of at most ``passes``; in a study of equal passes those that come nearest to them.

        Args:
            name: Of the solver, for messages.
            solver: Whose card says what its steps take.
            usual: The schedule's steps, which stay as they are where they cost nothing.

        Raises:
            ConfigError: One step takes too many, or no number of steps is within the tolerance; naming what would be.
        """
        takes: Callable[[Any, int], int] = solver.card.passes  # type: ignore[attr-defined]
        found = self._bought(takes, solver.namespace, usual)
        if found < 1:
            one = takes(solver.namespace, 1)
            raise ConfigError(f"passes={self.passes}: one step takes {one} passes; give more, or a smaller num_iter")
        if not self.allows(spent := takes(solver.namespace, found)):
            raise ConfigError(
                f"equal_passes={self.tolerance:g}: {name} comes to {spent} passes per image (schedule.steps={found}), "
                f"and the study is of {self.span}; {self._advice(takes, solver.namespace, usual)}"
            )
        return found

    def _bought(self, takes: Callable[[Any, int], int], arguments: SimpleNamespace, usual: int) -> int:
        def spent(steps: int) -> int:
            return takes(arguments, steps)

        if spent(1) == spent(MOST_STEPS):
            return usual
        most = bisect_right(range(1, MOST_STEPS + 1), self.passes, key=spent)
        if self.tolerance is None:
            return most
        nearest = most and self.passes - spent(most) <= spent(most + 1) - self.passes  # of two as near the fewer
        return most if nearest else most + 1

    def _advice(self, takes: Callable[[Any, int], int], arguments: SimpleNamespace, usual: int) -> str:
        """What would be within the tolerance, the nearest ``num_iter`` first."""
        fitting = []
        for num_iter in sorted(range(1, self.passes + 1), key=lambda k: abs(k - getattr(arguments, "num_iter", k))):
            other = SimpleNamespace(**{**vars(arguments), "num_iter": num_iter})
            steps = self._bought(takes, other, usual)
            if hasattr(arguments, "num_iter") and self.allows(spent := takes(other, steps)):
                fitting.append(f"num_iter={num_iter} (schedule.steps={steps}, {spent} passes)")
        if fitting:
            return f"what fits: {', '.join(fitting[:_NAMED])}"
        return "no number of steps fits: choose other passes, or a larger tolerance, or leave the solver out"
