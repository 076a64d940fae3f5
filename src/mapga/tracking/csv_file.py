"""The per-image numbers of a run as a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mapga.card import Card
from mapga.files.durable import replacing
from mapga.tracking.base import Tracker

__all__ = ["CSVTracker"]


class CSVTracker(Tracker):
    """Writes the per-image metrics as ``images.csv`` in the run's folder, for spreadsheets."""

    card = Card()

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._folder = Path()

    def begin_run(self, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        self._folder, self._rows = folder, []

    def row(self, row: Mapping[str, Any]) -> None:
        flat = {key: value for key, value in row.items() if key != "metrics"}
        self._rows.append(flat | dict(row["metrics"]))

    def end_run(self, summary: Mapping[str, Any]) -> None:
        if not self._rows:
            return
        with replacing(self._folder / "images.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(k for row in self._rows for k in row)))
            writer.writeheader()
            writer.writerows(self._rows)
