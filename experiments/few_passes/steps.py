"""Ways to move z in MAP-GA(D,NP), on draws of an exact mixture and on digits, with 20 and with 100 passes.

    python -m experiments.few_passes.steps          # half an hour of a core; steps.csv, steps-trials.csv
    python -m experiments.few_passes.steps --show   # README's table

All have the levels from 9 to 0.15 and 0.4 of the noise. Four settings of each are tried on other images with 20 passes;
that with the highest mean PSNR over tasks is reported. The tables have Barzilai-Borwein and Adam too, which were behind
a line search everywhere, and which there are no more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from experiments.common import NETWORK, VALIDATION, Row, drawn, interval, of, prior_of, psnr, read, run, solve
from torch import Tensor

HERE = Path(__file__).parent
SIGMA_Y, FIRST = 0.05, 54  # MAP-GN was made on the test digits before that one
TASKS, BUDGETS = ("box50", "supres4x"), (20, 100)
COUNTS = {"digits": (24, 128), NETWORK: (24, 32)}  # images of trials, and reported; of the mixture of digits, of digits
PAPERS = "paper"  # its gradient, in the operator's scale and grown with the level
STEPS: dict[str, list[dict[str, Any]]] = {
    PAPERS: [{"growth": 0.3}, {"growth": 1.0}, {"growth": 0.3, "num_iter": 2}, {"growth": 0.3, "num_iter": 4}],
    "GaussNewton": [{"rate": 0.3}, {"rate": 1.0}, {"rate": 0.3, "num_iter": 2}, {"rate": 0.3, "num_iter": 4}],
    "LineSearch": [{"rate": 1.0}, {"rate": 0.5}, {"rate": 1.0, "num_iter": 2}, {"rate": 0.5, "num_iter": 2}],
    "Normalised": [{"rate": 1.0}, {"rate": 0.5}, {"rate": 2.0}, {"rate": 1.0, "num_iter": 2}],
    "Anderson": [{"rate": rate, "num_iter": n} for rate, n in ((0.3, 2), (1.0, 2), (0.3, 3), (0.3, 4))],
    "ConjugateGradients": [{"steps": 3}, {"steps": 2}, {"steps": 3, "damping": 0.1}, {"steps": 3, "rate": 0.5}],
}


def answered(prior: str, task: str, passes: int, step: str, setting: int, indices: range) -> Tensor:
    """PSNR of each image."""
    own = dict(STEPS[step][setting])
    settings: dict[str, Any] = {"schedule": "few", "noise_share": 0.4, "num_iter": own.pop("num_iter", 1)}
    if step == PAPERS:
        settings |= {"step_scale": "operator", "learning_rate_growth": own["growth"]}
    else:
        settings["step"] = {"_target_": f"mapga.solvers.ascents.{step}", **own}
    truth, problem = drawn(prior, task, SIGMA_Y, indices)
    return psnr(solve("map_ga_d_np", problem, prior_of(prior), passes, **settings), truth)


def trial(asked: Row) -> Iterator[Row]:
    count = COUNTS[asked["prior"]][0]
    values = answered(**asked, passes=BUDGETS[0], indices=range(VALIDATION, VALIDATION + count))
    yield {"images": count, "psnr": f"{float(values.mean()):.6g}"}


def chosen(trials: list[Row], prior: str, step: str) -> int:
    """The setting with the highest mean over tasks."""

    def mean(setting: int) -> float:
        return sum(float(row["psnr"]) for row in of(trials, prior=prior, step=step, setting=setting))

    return max(range(len(STEPS[step])), key=mean)


def reported(asked: Row) -> Iterator[Row]:
    """Every step with what won its trials, and how far it is behind the best of them, in pairs of images."""
    count, trials = COUNTS[asked["prior"]][1], read(HERE / "steps-trials.csv")
    first = FIRST if asked["prior"] == NETWORK else 0
    settings = {step: chosen(trials, asked["prior"], step) for step in STEPS}
    found = {
        step: answered(**asked, step=step, setting=setting, indices=range(first, first + count))
        for step, setting in settings.items()
    }
    leader = max(found.values(), key=lambda values: float(values.mean()))
    for step, values in found.items():
        behind = {f"behind_{key}": value for key, value in interval(leader - values).items()}
        yield {"step": step, "setting": settings[step], "images": count} | interval(values) | behind


def show(rows: list[Row]) -> str:
    """dB of each step, and in brackets how far it is behind the best of them with its interval."""
    places = list(dict.fromkeys((row["prior"], row["task"], row["passes"]) for row in rows))
    names = [f"{'mixture' if prior == 'digits' else 'digits'}, {task}, {passes}" for prior, task, passes in places]
    lines = [f"| dB, behind the best | {' | '.join(names)} |", f"| --- {'| ---: ' * len(places)}|"]
    for step in dict.fromkeys(row["step"] for row in rows):
        cells = []
        for prior, task, passes in places:
            (row,) = of(rows, prior=prior, task=task, passes=passes, step=step)
            low, high = row["behind_low"], row["behind_high"]
            cells.append(
                f"{float(row['mean']):.2f}, {float(row['behind_mean']):.2f} [{float(low):.2f}, {float(high):.2f}]"
            )
        lines.append(f"| `{step}` | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--show" not in sys.argv:
        tried = [
            {"prior": prior, "task": task, "step": step, "setting": setting}
            for prior, step, setting, task in product(COUNTS, STEPS, range(4), TASKS)
        ]
        run(HERE / "steps-trials.csv", tried, trial, jobs=1)
        places = [{"prior": p, "task": t, "passes": n} for p, n, t in product(COUNTS, BUDGETS, TASKS)]
        run(HERE / "steps.csv", places, reported, jobs=1)
    print(show(read(HERE / "steps.csv")))
