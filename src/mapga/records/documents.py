"""Small JSON files of a run: what is damaged is named, with what to do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mapga.errors import DamagedError
from mapga.records.older import completed

__all__ = ["read_json", "read_summary", "rows_text"]

_AGAIN = "the run's own command writes it again"
_SPELT = 4  # rows that a message names


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: The file.
        remedy: What a person does if it is damaged.

    Raises:
        DamagedError: It is not there, or holds anything else.
        OSError: It cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DamagedError(f"{path} is gone; {remedy}") from None
    except ValueError as error:
        raise DamagedError(f"{path} is damaged ({error}); {remedy}") from None
    if not isinstance(found, dict):
        raise DamagedError(f"{path} is damaged (it holds no JSON object); {remedy}")
    return found


def read_summary(folder: Path) -> dict[str, Any]:
    """``metrics.json`` of a finished run, with everything that is read of it, and a protocol for each of its numbers.

    Raises:
        DamagedError: Something is not there, or no number where one belongs.
        OSError: It cannot be read.
    """
    path = folder / "metrics.json"
    summary = read_json(path, _AGAIN)
    try:
        numbers = [summary[key] for key in ("n_images", "n_failed")]
        numbers += [summary["compute"][key] for key in ("forward", "vjp", "seconds", "seconds_network")]
        for cell in summary["metrics"].values():
            numbers += [cell[key] for key in ("mean", "sem") if cell[key] is not None] + [cell["lower_is_better"]]
            numbers += [cell.get("n", 0), *(cell.get("interval") or (0, 0))]
            if "protocol" in cell:
                _ = [summary["protocols"][cell["protocol"]][key] for key in ("name", "science", "weights", "code")]
    except (LookupError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path} is damaged (it lacks what a summary holds: {error}); {_AGAIN}") from None
    if wrong := [number for number in numbers if not isinstance(number, int | float)]:
        raise DamagedError(f"{path} is damaged (it holds {wrong[0]!r} in the place of a number); {_AGAIN}")
    return completed(folder, summary)


def rows_text(rows: Sequence[int]) -> str:
    """``"row 3"``, ``"rows 3, 5"``, ``"rows 3, 5, 8, 9 and 12 more"``."""
    spelt = ", ".join(map(str, rows[:_SPELT])) + (f" and {len(rows) - _SPELT} more" if len(rows) > _SPELT else "")
    return f"row{'s' if len(rows) > 1 else ''} {spelt}"
