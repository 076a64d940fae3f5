"""Finished runs whose per-image numbers are given, for reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.folders import finished, summary
from mapga.records import RunFolder

__all__ = ["measured"]


def measured(
    results: Path,
    solver: str,
    numbers: Mapping[str, Sequence[float | None]],
    *,
    steps: int = 3,
    lower: bool = False,
    sets: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,
) -> RunFolder:
    """A run with one journal line an image, its summary made of them.

    Args:
        numbers: For each metric its number of each image; None where it is infinite.
        steps: Of its schedule, to tell an ablation's runs apart.
        lower: Whether lower is better, for all metrics.
        sets: Cells of metrics of sets, as they are.
    """
    n = len(next(iter(numbers.values())))
    cells: dict[str, Any] = {}
    for name, values in numbers.items():
        finite = [value for value in values if value is not None]
        mean = float(np.mean(finite)) if finite else None
        cells[name] = {"mean": mean, "sem": 0.1, "n": len(finite), "lower_is_better": lower}
    cells |= {name: {"sem": None, "lower_is_better": True} | dict(cell) for name, cell in (sets or {}).items()}
    compute = {"forward": 2.0 * steps, "vjp": 0.0, "seconds": 1.0, "seconds_network": 1.0}
    folder = finished(
        results,
        solver,
        summary(metrics=cells, n_images=n, compute=compute),
        shape=(n, 8, 8, 1),
        schedule={"steps": steps},
        **more,
    )
    lines = [
        {"row": k, "index": 10 + k, "label": None, "status": "done", "step": None}
        | {"metrics": {name: values[k] for name, values in numbers.items()}}
        for k in range(n)
    ]
    (folder.path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
