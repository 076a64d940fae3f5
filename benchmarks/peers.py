"""Beside peers: seconds and PSNR of our solvers and of azula's and deepinv's, by the same network, levels and passes.

    .venv/bin/python benchmarks/peers.py [--batch 8] [--steps 10] [--sigma-y 0.1] [--repeats 5]

One process; ours and theirs alternate, so that a drifting clock hits both, and medians are compared: a ratio below 1
is ours ahead. The task is box50, whose mask all of them take. Peers are the extra ``peers``. Results go to the terminal
and to benchmarks/results/peers.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import mapga
from mapga.pixels import to_sym, to_unit
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.solvers import DDRM, DPS, PGDM, Solver

try:
    from azula.denoise import Denoiser, DiracPosterior
    from azula.guidance.dps import DPSSampler
    from azula.guidance.pgdm import PGDMSampler
    from deepinv.physics import GaussianNoise, Inpainting
    from deepinv.sampling import DDRM as DeepinvDDRM
except ImportError as error:
    print(f"peers: {error.name} is not here; pip install 'mapga[peers]'", file=sys.stderr)
    sys.exit(2)

Restore = Callable[[], Tensor]


class AzulaDenoiser(Denoiser):
    """A prior as azula's, its times being places among the levels."""

    def __init__(self, prior: Prior, levels: list[float]) -> None:
        super().__init__()
        self.prior, self.levels = prior, torch.tensor([*levels, 0.0])

    def schedule(self, t: Tensor) -> tuple[Tensor, Tensor]:
        sigma = self.levels[int(t)]
        return torch.ones_like(sigma), sigma

    def forward(self, x_t: Tensor, t: Tensor) -> Any:
        return DiracPosterior(self.prior.denoise(x_t, float(self.levels[int(t)])))


def azula(kind: Any, problem: Problem, prior: Prior, levels: list[float], **options: Any) -> Restore:
    """A sampler of azula, walked over all levels."""
    sampler = kind(AzulaDenoiser(prior, levels), problem.y, problem.operator.apply, silent=True, **options)
    places = list(torch.arange(len(levels) + 1))

    def restore() -> Tensor:
        x = levels[0] * torch.randn_like(problem.y)
        for t, s in pairwise(places):
            x = sampler.step(x, t, s)
        return x

    return restore


def deepinv_ddrm(problem: Problem, prior: Prior, levels: list[float], solver: DDRM) -> Restore:
    """deepinv's DDRM, whose images and levels are on [0, 1]."""
    mask = problem.operator.measured.to(problem.y.dtype)  # type: ignore[attr-defined]
    physics = Inpainting(img_size=problem.operator.image_shape, mask=mask[0])
    physics.noise_model = GaussianNoise(problem.sigma_y / 2)

    def denoiser(u: Tensor, s: float) -> Tensor:
        return to_unit(prior.denoise(to_sym(u), 2 * float(s)))

    theirs = DeepinvDDRM(denoiser, sigmas=[level / 2 for level in levels], eta=solver.eta, etab=solver.eta_b)
    return lambda: to_sym(theirs(to_unit(problem.y) * mask, physics))


def pairs(problem: Problem, prior: Prior, steps: int) -> dict[str, tuple[Solver, Restore, str]]:
    """By name our solver, theirs, and whose it is."""

    def made(name: str) -> tuple[Solver, list[float]]:
        solver = mapga.load_solver(name, steps=steps)
        return solver, solver.schedule.levels(steps).tolist()

    (pgdm, at_pgdm), (dps, at_dps), (ddrm, at_ddrm) = made("pgdm"), made("dps"), made("ddrm")
    assert isinstance(pgdm, PGDM) and isinstance(dps, DPS) and isinstance(ddrm, DDRM)
    inverse = {"A_inv": problem.operator.pinv, "eta": pgdm.eta**2}  # type: ignore[attr-defined]
    return {
        "pgdm": (pgdm, azula(PGDMSampler, problem, prior, at_pgdm, **inverse), "azula"),
        "dps": (dps, azula(DPSSampler, problem, prior, at_dps, zeta=dps.scale), "azula"),
        "ddrm": (ddrm, deepinv_ddrm(problem, prior, at_ddrm, ddrm), "deepinv"),
    }


def timed(work: Restore) -> tuple[float, Tensor]:
    begun = time.perf_counter()
    restored = work()
    return time.perf_counter() - begun, restored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prior", default="mnist", help="in conf/prior, for digits (default mnist)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--sigma-y", type=float, default=0.1, help="of the noise in y, on [-1, 1] (default 0.1)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "peers.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    truth = mapga.load_images("mnist", limit=arguments.batch)
    prior = mapga.load_prior(arguments.prior).to("cpu", torch.float32)
    problem = mapga.load_task("box50", sigma_y=arguments.sigma_y).measure(truth, seed=0)
    psnr = mapga.load_metrics("basic")
    rows: dict[str, dict[str, Any]] = {}
    for name, (solver, theirs, whose) in pairs(problem, prior, arguments.steps).items():
        seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
        quality: dict[str, float] = {}
        both: dict[str, Restore] = {"ours": lambda solver=solver: solver.restore(problem, prior), "theirs": theirs}
        for repeat in range(arguments.repeats + 1):  # the first warms up
            for side, work in both.items():
                taken, restored = timed(work)
                quality[side] = float(psnr(restored, truth, problem=problem)["psnr"].mean())
                if repeat:
                    seconds[side].append(taken)
        ours, other = (statistics.median(seconds[side]) for side in ("ours", "theirs"))
        rows[name] = {"peer": whose, "ours_s": ours, "theirs_s": other, "ratio": ours / other,
                      "ours_psnr": quality["ours"], "theirs_psnr": quality["theirs"]}  # fmt: skip
    table = Table("solver", "peer", "ours (s)", "theirs (s)", "ratio", "ours (dB)", "theirs (dB)")
    for name, row in rows.items():
        table.add_row(name, row["peer"], *(f"{row[key]:.3f}" for key in ("ours_s", "theirs_s", "ratio")),
                      *(f"{row[key]:.2f}" for key in ("ours_psnr", "theirs_psnr")))  # fmt: skip
    Console().print(table)
    versions = {name: version(name) for name in ("mapga", "azula", "deepinv", "torch")}
    print(", ".join(f"{name} {found}" for name, found in versions.items()))
    asked = {key: getattr(arguments, key) for key in ("prior", "batch", "steps", "sigma_y", "repeats", "threads")}
    record = {**asked, "versions": versions, "machine": platform.machine(), "solvers": rows}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(arguments.output)


if __name__ == "__main__":
    main()
