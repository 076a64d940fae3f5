"""What stands behind a number of the page: its runs, their configs, and its method against the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mapga.files.plain_yaml import to_yaml
from mapga.records.collect import Run
from mapga.report.boards import Board
from mapga.report.cells import key_of
from mapga.report.coverage import Coverage, cell_of
from mapga.report.passes import passes_text

__all__ = ["drilldown"]


def drilldown(made: Sequence[Board]) -> dict[str, Any]:
    """For each cell the runs it was chosen from, and the config of the one that stands for it."""
    cells: dict[str, Any] = {}
    configs: dict[str, str] = {}
    for board in made:
        for (task, method), cell in board.cells.items():
            cells[key_of(board, task, method)] = {
                "task": board.shown(task),
                "method": board.shown(method),
                "metric": board.measured,
                "runs": [_run(board, run, chosen=run in cell.runs) for run in board.study.of(task, method)],
                "pairs": _against_others(board, task, method),
            }
            if cell.run is not None and cell.run.folder.name not in configs:
                configs[cell.run.folder.name] = to_yaml(dict(cell.run.spec.config))
    return {"of": cells, "configs": configs}


def _run(board: Board, run: Run, *, chosen: bool) -> dict[str, Any]:
    mean = cell_of(run, board.metric).get("mean")
    seed = f"seed={run.spec.seed}" if len(board.study.seeds) > 1 else ""
    return {
        "run": run.folder.name,
        "setting": " ".join(filter(None, [board.study.setting_of[run.folder], seed])),
        "status": run.status,
        "reason": run.reason,
        "passes": passes_text([run]),
        "value": None if mean is None else Coverage.of(run, board.metric).written(mean, board.card.digits),
        "chosen": chosen,
    }


def _against_others(board: Board, task: str, method: str) -> list[list[str]]:
    """A method's paired comparisons on a task: the other, difference, interval, p, effect, wins, images."""
    lines = []
    for first, second, pair in board.pairs.get(task, ()):
        if method in (first, second):
            sign = 1 if method == first else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            wins = pair.wins if method == first else 1 - pair.wins
            numbers = [f"{sign * pair.difference:+.4g}", _span(low, high), f"{pair.p:.3g}{pair.stars}"]
            effect = "–" if math.isnan(pair.effect) else f"{sign * pair.effect:+.2f}"
            other = board.shown(second if method == first else first)
            lines.append([other, *numbers, effect, f"{100 * wins:.0f} %", str(pair.n)])
    return lines


def _span(low: float, high: float) -> str:
    return f"{low:+.4g} – {high:+.4g}" if math.isfinite(low) else "too few images"
