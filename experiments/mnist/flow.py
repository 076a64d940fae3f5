"""Is it the consistency model? MAP-GA(NP) with the probability flow itself in the place of C, beside C and D.

    python experiments/mnist/flow.py RESULTS --limit 24 --tasks box50,half,supres4x

The flow of the shipped denoiser is integrated by Heun steps, and the gradient goes back through all of them: C without
any error of its training, some ten times as slow. Prints a table; RESULTS/<network> holds the runs.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch import Tensor

from mapga.config.compose import compose_run, spec_of
from mapga.priors.base import Prior
from mapga.priors.flow import heun_step
from mapga.priors.wrapped import WrappedPrior
from mapga.problem import Problem
from mapga.run.assemble import make_job
from mapga.run.progress import ProgressDisplay
from mapga.run.runner import run_job
from mapga.schedules import Karras
from mapga.solvers.map_ga import MAPGA

NETWORKS = {"D": "map_ga_d_np", "C": "map_ga_np", "flow": "map_ga_np"}


class Flow(WrappedPrior):
    """A prior whose consistency function is the flow of its denoiser: Heun steps on the rho-7 grid to sigma_min."""

    def __init__(self, prior: Prior, steps: int) -> None:
        super().__init__(prior)
        self.steps = steps

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.prior.denoise(x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        level = float(sigma)
        if level <= self.sigma_min:
            return x
        levels = Karras(sigma_max=level, sigma_min=self.sigma_min).levels(self.steps + 1).to(x)
        for start, end in pairwise(levels):
            x = heun_step(self.prior.denoise, x, start.expand(len(x)), end.expand(len(x)))
        return x


class Watched(MAPGA):
    """MAP-GA that notes how far each gradient step goes, in units of the noise that z has: |step| / (t sqrt(d))."""

    steps: dict[float, list[float]]

    @classmethod
    def of(cls, solver: MAPGA) -> Watched:
        watched = cls(solver.schedule, solver.num_iter, consistency=solver.consistency, use_prior=solver.use_prior)
        watched.steps = defaultdict(list)
        return watched

    def ascent(self, problem: Problem, prior: Prior, z: Tensor, t: float) -> Tensor:
        step = super().ascent(problem, prior, z, t)
        self.steps[t] += (step.flatten(1).norm(dim=1) / (t * z[0].numel() ** 0.5)).tolist()
        return step


def restored(network: str, task: str, given: argparse.Namespace) -> tuple[dict[str, np.ndarray], str]:
    """Per-image metrics of a run, and its steps' mean sizes from the highest level to the lowest."""
    overrides = ["experiment=mnist", f"task={task}", f"solver={NETWORKS[network]}", f"schedule.steps={given.steps}"]
    overrides += [
        "num_iter=3",
        "passes=null",
        "equal_passes=null",
        f"dataset.limit={given.limit}",
        "dataset.split=validation",
        "device=cpu",
    ]
    overrides += ["prior.precision=float32", f"results_dir={given.results / network}"]
    job = make_job(spec_of(compose_run(overrides)))
    assert isinstance(job.solver, MAPGA)
    solver = Watched.of(job.solver)
    job = replace(job, solver=solver, prior=Flow(job.prior, given.heun) if network == "flow" else job.prior)
    run_job(job, ProgressDisplay())
    if solver.steps:  # not if it was done before
        sizes = {f"{t:.3g}": round(float(np.mean(found)), 3) for t, found in solver.steps.items()}
        (job.folder.path / "steps.json").write_text(json.dumps(sizes))
    rows = [found for _, found in sorted(job.folder.numbers(job.folder.recorded(len(job.dataset))).by_row().items())]
    names = ("stlpips_alex", "psnr", "digit_accuracy")
    metrics = {name: np.array([row[name] for row in rows], dtype=float) for name in names}
    return metrics, (job.folder.path / "steps.json").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--tasks", default="box50,half,supres4x")
    parser.add_argument("--steps", type=int, default=20, help="noise levels, with 3 gradient steps at each")
    parser.add_argument("--heun", type=int, default=6, help="steps of the flow, each of two evaluations")
    given = parser.parse_args()
    print("| task | network | ST-LPIPS | minus that of D | PSNR | digits read right |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    steps = {}
    for task in given.tasks.split(","):
        lines = {}
        for network in NETWORKS:
            lines[network], steps[task, network] = restored(network, task, given)
            found = lines[network]
            behind = found["stlpips_alex"] - lines["D"]["stlpips_alex"]
            cells = [task, network, _mean(found["stlpips_alex"]), _mean(behind), f"{found['psnr'].mean():.1f}"]
            print("|", " | ".join([*cells, f"{found['digit_accuracy'].mean():.2f}"]), "|", flush=True)
    print("\nMean size of a gradient step in units of the noise of z, by level:")
    for (task, network), sizes in steps.items():
        print(f"{task} {network}: {sizes}")


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.4f} ± {values.std(ddof=1) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
