"""``metrics.json``: one run in one page of numbers."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from mapga.metrics.statistics import mean_sem
from mapga.records.folder import Recorded, RunFolder
from mapga.records.losses import Losses
from mapga.records.scores import Numbers

__all__ = ["summarise", "told"]

_log = logging.getLogger(__name__)


def summarise(folder: RunFolder, recorded: Recorded, numbers: Numbers) -> dict[str, Any]:
    """What the images that were restored came to, and what they cost.

    Args:
        folder: The run's.
        recorded: All its rows.
        numbers: Of the restored ones.
    """
    losses = Losses.among(recorded.rows.values())
    costs = folder.costs()
    compute = _compute(costs)
    notes = [
        f"out of memory with {cost['out_of_memory_with']} images at a time, went on with {cost['going_on_with']}"
        for cost in costs
        if "out_of_memory_with" in cost
    ]
    priced = {row for cost in costs for row in cost["rows"]}
    if unknown := sum(row.status != "failed" and key not in priced for key, row in recorded.rows.items()):
        notes.append(f"what {unknown} images cost is not known: batches.jsonl was damaged")
    counted, stated = compute["forward"] + compute["vjp"], folder.spec.passes
    if any(cost["rows"] for cost in costs) and not math.isclose(counted, stated):  # plans and budgets go by the card
        notes.append(f"{counted:g} passes per image were counted, and the solver's card states {stated}: mend the card")
        _log.warning("%s: %s", folder.run_id, notes[-1])
    return {
        "run_id": folder.run_id,
        **{key: folder.spec.names[key] for key in ("dataset", "task", "solver", "schedule")},
        "prior": folder.spec.names.get("prior"),
        "seed": folder.spec.seed,
        "sigma_y": folder.spec.sigma_y,
        "sigma_y_unit": folder.spec.sigma_y_unit,
        "rounding": folder.spec.rounding,
        "n_images": recorded.total,
        "n_failed": losses.lost,
        "n_diverged": losses.diverged,
        "n_unreadable": losses.unreadable,
        **({"samples": folder.spec.samples} if folder.spec.samples > 1 else {}),
        **told(numbers, folder.spec.samples),
        "compute": compute,
    } | ({"notes": notes} if notes else {})


def told(numbers: Numbers, samples: int = 1) -> dict[str, Any]:
    """The parts ``metrics`` and ``protocols`` of a summary: of each protocol whose numbers are all there a cell.

    That is the mean with its standard error over the images that were restored, or the number of the whole set. ``n``
    of a metric is smaller than ``n_images`` where images were lost, or have no number. An infinite number (PSNR of a
    perfect image) counts as the metric's ceiling, if it has one; ``n_infinite`` says how many there were, and
    ``ceiling`` what they count as. Of several ``samples`` of an image the standard error is that of the images' means.
    """
    cells = {column: _cell(numbers, key, samples) for key, column in numbers.columns().items()}
    return {"metrics": cells, "protocols": {key: numbers.protocols[key].as_dict() for key in numbers.columns()}}


def _cell(numbers: Numbers, key: str, samples: int) -> dict[str, Any]:
    protocol = numbers.protocols[key]
    cell = dict(
        numbers.sets[key]
        if key in numbers.sets
        else _estimate({row: numbers.images[key][row] for row in sorted(numbers.rows)}, samples, protocol.ceiling)
    )
    floor = {} if protocol.floor is None else {"floor": protocol.floor}
    return cell | floor | {"lower_is_better": protocol.lower_is_better, "protocol": key}


def _estimate(values: Mapping[int, float | None], samples: int, ceiling: float | None) -> dict[str, Any]:
    """Mean, standard error and n of one metric's numbers by row, None where one is not finite."""
    infinite = 0 if ceiling is None else list(values.values()).count(None)
    counted = {row: value for row, one in values.items() if (value := ceiling if one is None else one) is not None}
    if not counted:
        return {"mean": None, "sem": None, "n": 0}
    images: dict[int, list[float]] = {}
    for row, value in counted.items():
        images.setdefault(row // samples, []).append(value)
    sem = mean_sem([fmean(own) for own in images.values()]).sem
    mean = mean_sem(list(counted.values())).mean
    cell = {"mean": mean, "sem": sem if math.isfinite(sem) else None, "n": len(counted)}
    return cell | {"n_infinite": infinite, "ceiling": ceiling} if infinite else cell


def _compute(costs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Passes per image and seconds in all. A row that two attempts solved counts once, with its last cost."""
    last = {row: cost for cost in costs for row in cost["rows"]}
    n = max(len(last), 1)
    return {
        "forward": sum(cost["forward"] for cost in last.values()) / n,
        "vjp": sum(cost["vjp"] for cost in last.values()) / n,
        "seconds": sum(cost["seconds"] / len(cost["rows"]) for cost in last.values()),
        "seconds_network": sum(cost["seconds_network"] / len(cost["rows"]) for cost in last.values()),
    }
