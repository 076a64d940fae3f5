"""Restarts: MAP-GN through exact C and through D from several noises, of which the likeliest answer is kept.

    python -m experiments.few_passes.restarts          # a minute of a core; restarts.csv
    python -m experiments.few_passes.restarts --show   # README's table

Draws of the mixture of digits at 16x16, whose posterior is known, noise of 0.05 in y; all restarts together have so
many passes. log p(x | y), by which an answer is kept, is exact here, so that this is the most that restarts can give.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch
from experiments.common import Row, drawn, interval, of, posterior_of, prior_of, read, run, solve

from mapga.posteriors.estimates import best_component, gap_to_mmse, gap_to_mode

TABLE = Path(__file__).with_name("restarts.csv")
PRIOR, SIGMA_Y, DRAWS = "digits", 0.05, 96
TASKS, METHODS, PASSES, RESTARTS = ("box50", "supres4x"), ("map_gn_fast", "map_gn"), (20, 80), (1, 2, 4)
MEASURES = {"mmse_gap_db": gap_to_mmse, "mode_gap_nats": gap_to_mode, "best_component": best_component}


def measured(asked: Row) -> Iterator[Row]:
    """Of the likeliest answer of each draw."""
    _, problem = drawn(PRIOR, asked["task"], SIGMA_Y, range(DRAWS))
    posterior, prior, each = posterior_of(PRIOR, problem), prior_of(PRIOR, 32), asked["passes"] // asked["restarts"]
    answers = [solve(asked["method"], problem, prior, each, seed).double() for seed in range(asked["restarts"])]
    gaps = torch.stack([gap_to_mode(posterior, x) for x in answers])
    kept = torch.stack(answers)[gaps.argmin(0), torch.arange(DRAWS)]
    found = {name: interval(measure(posterior, kept)) for name, measure in MEASURES.items()}
    yield {f"{name}_{end}": value for name, ends in found.items() for end, value in ends.items()}


def show(rows: list[Row]) -> str:
    """dB above the least error, nats below the mode, share of draws whose answer is of the likeliest component."""
    places = list(product(TASKS, PASSES))
    lines = [f"| restarts | {' | '.join(f'{task}, {passes}' for task, passes in places)} |"]
    lines.append(f"| --- {'| ---: ' * len(places)}|")
    for method, restarts in product(METHODS, RESTARTS):
        cells = []
        for task, passes in places:
            (row,) = of(rows, task=task, passes=passes, method=method, restarts=restarts)
            cells.append("{:.2f}, {:.1f}, {:.2f}".format(*(float(row[f"{name}_mean"]) for name in MEASURES)))
        lines.append(f"| `{method}`, {restarts} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--show" not in sys.argv:
        cells = [
            {"task": task, "method": method, "passes": passes, "restarts": restarts}
            for task, method, passes, restarts in product(TASKS, METHODS, PASSES, RESTARTS)
        ]
        run(TABLE, cells, measured, jobs=1)
    print(show(read(TABLE)))
