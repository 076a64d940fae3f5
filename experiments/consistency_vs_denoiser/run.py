"""What the consistency function buys over the denoiser, and over k Heun steps of it, by the level where one starts.

    python -m experiments.consistency_vs_denoiser.run   # a quarter of a core-hour; writes table.csv and figure.png

map_ga_np with D in the place of C; with C by k = 1, 2, 4, 8 Heun steps of D; with C by 32 of an exact D, the ceiling;
with a network's own C. All with the same levels and gradient steps (one a level), so that better costs more:
``cost`` counts evaluations of D, those of a backward pass as one each. Whether the step grows with the level is
chosen for each, on other draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.common import (
    LEARNED,
    NETWORK,
    NETWORKS,
    VALIDATION,
    Row,
    band,
    best,
    canvas,
    drawn,
    exact_prior,
    interval,
    of,
    options,
    prior_of,
    run,
    scored,
)
from torch import Tensor

import mapga
from mapga.priors import Prior
from mapga.priors.flow import heun_flow
from mapga.priors.wrapped import WrappedPrior
from mapga.problem import Problem

HERE = Path(__file__).parent
SIGMA_Y = 0.05
PROBLEMS = (
    ("digits", "box50"),
    ("digits", "supres4x"),
    ("patches", "box50"),
    (NETWORK, "box50"),
    (LEARNED, "box50"),
)
STARTS = (0.5, 2.0, 80.0)
D, OWN, EXACT = "D", "C", "exact"  # of the kinds; the others are numbers of Heun steps
KINDS = {  # on patches and of networks D costs ten to a thousand times as much
    "digits": (D, "1", "2", "4", "8", "32"),
    "patches": (D, "1", "2", "4", "8"),
    LEARNED: (D, OWN, "2", EXACT),
    NETWORK: (D, OWN),
}
CEILING = 32  # Heun steps
STEPS = {NETWORK: (5, 10)}  # and of the others
OTHER_STEPS = (5, 20)
GROWTHS = (0.0, 1.0)
COUNTS = {"digits": (64, 16), "patches": (48, 12), LEARNED: (32, 8), NETWORK: (24, 4)}  # reported, chosen on
LONGEST = 100  # evaluations of a network, which cost most
FIRST = 100  # of the reported draws


class Composed(WrappedPrior):
    """C by Heun steps of the inner prior's D."""

    def __init__(self, prior: Prior, steps: int) -> None:
        super().__init__(prior)
        self.steps = steps

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.prior.denoise(x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return heun_flow(self.prior.denoise, x, sigma, self.sigma_min, self.steps)


def cost_of(kind: str, steps: int) -> int:
    """Evaluations of D."""
    return 3 * steps * ({D: 1, OWN: 1, EXACT: 2 * CEILING}.get(kind) or 2 * int(kind))


def told(name: str, kind: str) -> Prior:
    """A prior whose C is of a kind."""
    if kind in (D, OWN):
        return prior_of(name)
    if kind == EXACT:
        return exact_prior(name, CEILING)
    return Composed(prior_of(name), int(kind)) if name in NETWORKS else prior_of(name, int(kind))


def cell(asked: Row, *, few: bool) -> Iterator[Row]:
    name, task, kind = asked["prior"], asked["task"], asked["kind"]
    count, tuned_on = (4, 2) if few else COUNTS[name]
    prior = told(name, kind)

    def answers(problem: Problem, growth: float) -> Tensor:
        solver = mapga.load_solver(
            "map_ga_d_np" if kind == D else "map_ga_np",
            steps=asked["steps"],
            sigma_max=asked["start"],
            num_iter=1,
            learning_rate_growth=growth,
        )
        return solver.restore(problem, prior, 0, batch_size=len(problem))

    true, other = drawn(name, task, SIGMA_Y, range(VALIDATION, VALIDATION + tuned_on))
    candidates = [{"growth": growth} for growth in GROWTHS]
    chosen = best(candidates, lambda one: (answers(other, **one) - true).square().flatten(1).mean(1))
    truth, problem = drawn(name, task, SIGMA_Y, range(FIRST, FIRST + count))
    cost = cost_of(kind, asked["steps"])
    for measured, values in scored(name, problem, answers(problem, **chosen), truth).items():
        yield {"cost": cost, "measure": measured, "images": count} | chosen | interval(values)


def figure(rows: list[Row], to: Path) -> None:
    """Of each kind the two numbers of levels, joined."""
    shown, axes = canvas(len(PROBLEMS), len(STARTS), 11, 13, sharex=True, sharey="row")
    colors = {D: "k", OWN: "C6", EXACT: "C4"} | {kind: f"C{k}" for k, kind in enumerate(KINDS["digits"][1:])}
    for line, (prior, task) in zip(axes, PROBLEMS, strict=True):
        measured, label = ("psnr", "PSNR, dB") if prior == NETWORK else ("mmse_gap_db", "dB above the least error")
        for axis, start in zip(line, STARTS, strict=True):
            for kind in KINDS[prior]:
                here = of(rows, prior=prior, task=task, start=start, kind=kind, measure=measured)
                said = {D: "D", OWN: "the network's C", EXACT: "the exact C"}.get(kind, f"C by {kind} Heun steps")
                band(axis, here, "cost", label=said, color=colors[kind])
            axis.set_xscale("log")
            if prior != NETWORK:
                axis.axhline(3.01, color="grey", linestyle=":", linewidth=1)
                axis.set_ylim(0, 12)
        line[0].set_ylabel(f"{task} of {prior}\n{label}")
    for axis, start in zip(axes[0], STARTS, strict=True):
        axis.set_title(f"from sigma = {start:g}")
    axes[0, 0].legend(fontsize=7)
    axes[4, 0].legend(fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("evaluations of D, forward and backward")
    shown.savefig(to, dpi=90)


if __name__ == "__main__":
    asked = options()
    to = asked.to or HERE
    to.mkdir(parents=True, exist_ok=True)
    cells = [
        {"prior": prior, "task": task, "start": start, "kind": kind, "steps": steps}
        for prior, task in (PROBLEMS[:3:2] if asked.quick else PROBLEMS)
        for kind in KINDS[prior][: 2 if asked.quick else None]
        for steps in STEPS.get(prior, OTHER_STEPS)
        for start in STARTS
        if prior not in NETWORKS or kind == EXACT or cost_of(kind, steps) <= LONGEST
    ]
    found = run(to / "table.csv", cells, partial(cell, few=asked.quick), asked.jobs)
    if not asked.quick:
        figure(found, to / "figure.png")
