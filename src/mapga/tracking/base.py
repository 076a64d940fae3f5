"""What a tracker is: a mirror of a run elsewhere. It is never the store and never decides success."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from mapga.card import Card
from mapga.shown import Shown

__all__ = ["Tracker"]


class Tracker(Shown, ABC):
    """What a mirror hears. Whatever it raises is noted, and the run goes on."""

    card: ClassVar[Card]

    def check(self) -> None:
        """Asked before anything is done.

        Raises:
            ValueError: What it was given cannot work: the run is refused.
        """

    @abstractmethod
    def begin_run(self, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        """A run begins or continues.

        Args:
            run_id: The run's name, the same every time it is launched.
            config: Its resolved config, with the chosen ``names``.
            folder: Where it is recorded.
        """

    @abstractmethod
    def row(self, row: Mapping[str, Any]) -> None:
        """An image is recorded: its journal row. Rows come in order, those recorded earlier first."""

    @abstractmethod
    def end_run(self, summary: Mapping[str, Any]) -> None:
        """The run is complete: its ``metrics.json``. Told after the run's done marker is written."""

    def begin_training(self, name: str, config: Mapping[str, Any], folder: Path) -> None:
        """A stage of a training begins or continues; its losses are in ``losses.csv`` anyhow.

        Args:
            name: Recipe and stage, the same every time it is launched.
            config: The stage's settings.
            folder: Where it is recorded.
        """

    def step(self, row: Mapping[str, float]) -> None:
        """A row of the table of losses, with its ``step``. Steps that are done again are told again."""

    def end_training(self) -> None:
        """The stage is complete."""

    def close(self) -> None:
        """The process is done with the run, complete or not; most have nothing to do."""
