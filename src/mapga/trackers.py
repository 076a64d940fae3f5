"""Mirrors of a run elsewhere. A tracker is never the store and never decides success."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["CSVTracker", "NoTracker", "Tracker"]


class Tracker(ABC):
    """What the runner tells a mirror. Whatever a tracker raises is noted, and the run goes on."""

    @abstractmethod
    def start(self, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        """A run begins or continues."""

    @abstractmethod
    def row(self, row: Mapping[str, Any]) -> None:
        """An image is done: its journal row."""

    @abstractmethod
    def finish(self, summary: Mapping[str, Any]) -> None:
        """The run is complete: its ``metrics.json``. Called after the run's done marker is written."""


class NoTracker(Tracker):
    """Mirrors nothing."""

    def start(self, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        pass

    def row(self, row: Mapping[str, Any]) -> None:
        pass

    def finish(self, summary: Mapping[str, Any]) -> None:
        pass


class CSVTracker(Tracker):
    """Writes the per-image metrics as ``images.csv`` in the run's folder, for spreadsheets."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._folder = Path()

    def start(self, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        self._folder, self._rows = folder, []

    def row(self, row: Mapping[str, Any]) -> None:
        flat = {key: value for key, value in row.items() if key != "metrics"}
        self._rows.append(flat | dict(row["metrics"]))

    def finish(self, summary: Mapping[str, Any]) -> None:
        if not self._rows:
            return
        with (self._folder / "images.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(k for row in self._rows for k in row)))
            writer.writeheader()
            writer.writerows(self._rows)
