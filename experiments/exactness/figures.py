"""calibration.png and ranks.png, from solvers.csv beside this file.

python experiments/exactness/figures.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
from tables import SOLVERS, TASKS, Line, lines

HERE = Path(__file__).parent
SHOWN = {
    "gap_to_mmse": ("dB above the least error", 3.01),
    "variance_ratio": ("variance over the posterior's", 1.0),
    "mode_weights_tv": ("component weights: total variation", 0.0),
}


def calibration(exact: list[Line]) -> None:
    """A row a solver, a dot a task; the dashed line is where exact samples are."""
    figure, panels = plt.subplots(1, len(SHOWN), figsize=(11, 4.2), sharey=True)
    solvers = [solver for solver in SOLVERS if solver != "exact"]
    for axis, (metric, (title, right)) in zip(panels, SHOWN.items(), strict=True):
        axis.axvline(right, color="0.4", lw=1, ls="--", zorder=0)
        for number, task in enumerate(TASKS):
            own = [line for line in exact if line["task"] == task and line["solver"] in solvers and line[metric]]
            rows = [solvers.index(line["solver"]) + 0.13 * (number - 2) for line in own]
            error = [float(line[f"{metric}_error"]) for line in own]
            axis.errorbar([float(line[metric]) for line in own], rows, xerr=error, fmt="o", ms=4, lw=1, label=task)
        axis.set_xlabel(title)
        axis.set_xlim(left=-0.03 * axis.get_xlim()[1])
        axis.grid(axis="y", color="0.92", lw=8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(solvers)), solvers)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=len(TASKS), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(HERE / "calibration.png", dpi=120)


def ranks(exact: list[Line]) -> None:
    """Where the mean of the truth's values stands among its samples: flat where they are samples of the posterior."""
    solvers = [solver for solver in SOLVERS if any(line["solver"] == solver and line["ranks"] for line in exact)]
    size = (1.5 * len(TASKS), 0.62 * len(solvers))
    figure, grid = plt.subplots(len(solvers), len(TASKS), figsize=size, sharex=True)
    for down, solver in zip(grid, solvers, strict=True):
        for axis, task in zip(down, TASKS, strict=True):
            axis.set(xticks=[], yticks=[])
            axis.spines[["top", "left", "right"]].set_visible(False)
            for line in exact:
                if (line["solver"], line["task"]) == (solver, task) and line["ranks"]:
                    (counts,) = json.loads(line["ranks"])
                    axis.bar(range(len(counts)), counts, width=0.9, color="C0")
                    axis.axhline(sum(counts) / len(counts), color="0.3", lw=0.8, ls="--")
        down[0].set_ylabel(solver, rotation=0, ha="right", va="center", fontsize=8)
    for axis, task in zip(grid[0], TASKS, strict=True):
        axis.set_title(task, fontsize=9)
    figure.tight_layout(h_pad=0.2)
    figure.savefig(HERE / "ranks.png", dpi=120)


if __name__ == "__main__":
    usual = [
        line for line in lines() if (line["prior"], line["std"], line["sigma_y"]) == ("overlapping", "0.2", "0.05")
    ]
    calibration(usual)
    ranks(usual)
