"""Finished runs whose per-image numbers are given, for reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.folders import finished, summary
from mapga.records import RunFolder

__all__ = ["HOSTILE", "called", "measured"]

HOSTILE = "<img src=x onerror=alert(1)>"  # a name of a method


def measured(
    results: Path,
    solver: str,
    numbers: Mapping[str, Sequence[float | None]],
    *,
    steps: int = 3,
    lower: bool = False,
    sets: Mapping[str, Mapping[str, Any]] | None = None,
    lost: Mapping[int, str] | None = None,
    ceiling: float | None = None,
    **more: Any,
) -> RunFolder:
    """A run with one journal line an image, its summary made of them.

    Args:
        numbers: For each metric its number of each image; None where it has none, or an infinite one.
        steps: Of its schedule, to tell an ablation's runs apart.
        lower: Whether lower is better, for all metrics.
        sets: Cells of metrics of sets, as they are.
        lost: The rows that were lost, each with its status.
        ceiling: What an infinite number counts as; None: there is no such thing.
    """
    n, lost = len(next(iter(numbers.values()))), lost or {}
    cells: dict[str, Any] = {}
    for name, values in numbers.items():
        left = [value for k, value in enumerate(values) if k not in lost]
        infinite = {} if ceiling is None or None not in left else {"n_infinite": left.count(None), "ceiling": ceiling}
        counted = [value for one in left if (value := ceiling if one is None else one) is not None]
        mean = float(np.mean(counted)) if counted else None
        cells[name] = {"mean": mean, "sem": 0.1, "n": len(counted), "lower_is_better": lower} | infinite
    cells |= {name: {"sem": None, "lower_is_better": True} | dict(cell) for name, cell in (sets or {}).items()}
    compute = {"forward": 2.0 * steps, "vjp": 0.0, "seconds": 1.0, "seconds_network": 1.0}
    folder = finished(
        results,
        solver,
        summary(metrics=cells, n_images=n, compute=compute, **_counts(lost)),
        shape=(n, 8, 8, 1),
        schedule={"steps": steps},
        **more,
    )
    lines = [
        {"row": k, "index": 10 + k, "label": None, "status": lost.get(k, "done"), "step": None}
        | {"metrics": {} if k in lost else {name: values[k] for name, values in numbers.items()}}
        for k in range(n)
    ]
    (folder.path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _counts(lost: Mapping[int, str]) -> dict[str, int]:
    found = list(lost.values())
    return {"n_failed": len(found), "n_diverged": found.count("diverged"), "n_unreadable": found.count("failed")}


def called(folder: RunFolder, title: str) -> None:
    """Give a run's solver a title."""
    path, target = folder.path / "config.yaml", "_target_: mapga.solvers.PseudoInverse\n"
    text = path.read_text()
    assert target in text
    path.write_text(text.replace(target, f"{target}  title: {title}\n"))
