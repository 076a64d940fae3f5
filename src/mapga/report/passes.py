"""Network passes per image: what runs took, and which of them a study of equal passes does not compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mapga.budget import Budget
from mapga.errors import ConfigError
from mapga.records.collect import Run

__all__ = ["NFE", "passes_of", "passes_text", "unequal", "unequal_note"]

NFE = "NFE: network passes per image, forward passes plus vector-Jacobian products"


def passes_of(run: Run | None) -> float | None:
    """Those that were counted of a finished run, else those that its solver's card states; None where nobody knows."""
    if run is None or run.status != "done":
        return None
    compute = run.metrics.get("compute", {})
    counted = float(compute.get("forward", 0) + compute.get("vjp", 0))
    try:
        return counted or float(run.spec.passes)
    except ConfigError:  # what was stored stands for no solver of this installation
        return counted or None


def passes_text(runs: Iterable[Run | None]) -> str:
    """What some runs took: one number, or from the least to the most."""
    found = sorted({passes for run in runs if (passes := passes_of(run)) is not None})
    return " – ".join(f"{passes:g}" for passes in found[:: max(1, len(found) - 1)]) if found else "–"


def unequal(runs: Sequence[Run]) -> frozenset[Path]:
    """The folders of the finished runs that took other passes than their study of equal passes allows."""
    budget = _budget(runs)
    if budget is None:
        return frozenset()
    found = {run.folder: passes_of(run) for run in runs}
    return frozenset(folder for folder, passes in found.items() if passes is not None and not budget.allows(passes))


def unequal_note(runs: Sequence[Run]) -> list[str]:
    """A note that names them by their solvers; none if there is none."""
    budget, folders = _budget(runs), unequal(runs)
    if budget is None or not folders:
        return []
    solvers: dict[str, list[Run]] = {}
    for run in runs:
        if run.folder in folders:
            solvers.setdefault(run.names["solver"], []).append(run)
    said = ", ".join(f"{solver} ({passes_text(family)})" for solver, family in sorted(solvers.items()))
    return [f"a study of equal passes, {budget.span} per image; not compared, and never the best: {said}"]


def _budget(runs: Sequence[Run]) -> Budget | None:
    """What the runs of a table were to spend alike: the largest and the strictest that any of them states."""
    stated = [Budget.of(run.spec.config) for run in runs]
    equal = [one for one in stated if one is not None and one.tolerance is not None]
    if not equal:
        return None
    return Budget(max(one.passes for one in equal), min(one.tolerance or 0.0 for one in equal))
