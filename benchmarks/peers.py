"""Beside peers: seconds, memory and PSNR of our solvers and of azula's and deepinv's, by the same network and levels.

    .venv/bin/python benchmarks/peers.py [--batch 8] [--steps 10] [--sigma-y 0.1] [--repeats 5]

One process; ours and theirs alternate, so that a drifting clock hits both, and the ratio is the median over neighbours:
below 1 ours is ahead. Memory is the most that its tensors hold at a time: that of the process, most of which is code of
libraries that its first use loads, said more of the order of calls than of a solver.
The task is box50, whose mask all of them take. DiffPIR and MMPS are theirs alone. Peers are the extra ``peers``.
Results go to the terminal and to benchmarks/results/peers.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # torch's profiler says what it looks for in vain

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import mapga
from mapga.pixels import to_sym, to_unit
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.solvers import DDRM, DPS, PGDM, Solver

try:
    from azula.denoise import Denoiser, DiracPosterior
    from azula.guidance.diffpir import DiffPIRDenoiser
    from azula.guidance.dps import DPSSampler
    from azula.guidance.mmps import MMPSDenoiser
    from azula.guidance.pgdm import PGDMSampler
    from azula.linalg.covariance import IsotropicCovariance
    from azula.sample import DDIMSampler
    from deepinv.physics import GaussianNoise, Inpainting
    from deepinv.sampling import DDRM as DeepinvDDRM
except ImportError as error:
    print(f"peers: {error.name} is not here; pip install 'mapga[peers]'", file=sys.stderr)
    sys.exit(2)

Restore = Callable[[], Tensor]
PEERS = {"pgdm": "azula", "dps": "azula", "ddrm": "deepinv", "diffpir": "azula", "mmps": "azula"}


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


def azula(sampler: Any, problem: Problem, levels: list[float]) -> Restore:
    """A sampler of azula, walked over all levels."""
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


def sides_of(problem: Problem, prior: Prior, steps: int) -> dict[str, dict[str, Restore]]:
    """By name our solver, where there is one, and theirs."""

    def made(name: str) -> tuple[Solver, list[float]]:
        solver = mapga.load_solver(name, steps=steps)
        return solver, solver.schedule.levels(steps).tolist()

    def ours(solver: Solver) -> Restore:
        return lambda: solver.restore(problem, prior)

    (pgdm, levels), (dps, at_dps), (ddrm, at_ddrm) = made("pgdm"), made("dps"), made("ddrm")
    assert isinstance(pgdm, PGDM) and isinstance(dps, DPS) and isinstance(ddrm, DDRM)
    y, A, variance = problem.y, problem.operator.apply, problem.sigma_y**2
    denoiser, dps_denoiser = AzulaDenoiser(prior, levels), AzulaDenoiser(prior, at_dps)
    pinv = problem.operator.pinv  # type: ignore[attr-defined]
    pgdm_of_azula = PGDMSampler(denoiser, y, A, A_inv=pinv, eta=pgdm.eta**2, silent=True)
    dps_of_azula = DPSSampler(dps_denoiser, y, A, zeta=dps.scale, silent=True)
    diffpir = DiffPIRDenoiser(denoiser, y, A, variance)
    mmps = MMPSDenoiser(denoiser, y, A, IsotropicCovariance(torch.tensor(variance)))
    return {
        "pgdm": {"ours": ours(pgdm), "theirs": azula(pgdm_of_azula, problem, levels)},
        "dps": {"ours": ours(dps), "theirs": azula(dps_of_azula, problem, at_dps)},
        "ddrm": {"ours": ours(ddrm), "theirs": deepinv_ddrm(problem, prior, at_ddrm, ddrm)},
        "diffpir": {"theirs": azula(DDIMSampler(diffpir, silent=True), problem, levels)},
        "mmps": {"theirs": azula(DDIMSampler(mmps, silent=True), problem, levels)},
    }


def mebibytes(work: Restore) -> float:
    """The most that tensors hold at a time, of those that work makes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    taken = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]")
    return max(accumulate(size for _, size in taken)) / 2**20


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
    task = mapga.load_task("box50", sigma_y=arguments.sigma_y)
    psnr = mapga.load_metrics("basic")
    problem = task.measure(truth, seed=0)
    rows: dict[str, dict[str, Any]] = {}
    for name, both in sides_of(problem, prior, arguments.steps).items():
        seconds: dict[str, list[float]] = {side: [] for side in both}
        row = rows[name] = {"peer": PEERS[name]}
        for repeat in range(arguments.repeats + 1):  # the first warms up
            for side, work in both.items():
                taken, restored = timed(work)
                row[f"{side}_psnr"] = float(psnr(restored, truth, problem=problem)["psnr"].mean())
                seconds[side] += [taken] if repeat else []
        row |= {f"{side}_s": statistics.median(values) for side, values in seconds.items()}
        row |= {f"{side}_mib": mebibytes(work) for side, work in both.items()}
        if "ours" in both:
            row["ratio"] = statistics.median(a / b for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
        print(name, row, file=sys.stderr, flush=True)
    numbers = {"ours_s": 3, "theirs_s": 3, "ratio": 3, "ours_mib": 1, "theirs_mib": 1, "ours_psnr": 2, "theirs_psnr": 2}
    table = Table("solver", "peer", *numbers)
    for name, row in rows.items():
        table.add_row(name, row["peer"], *(f"{row[k]:.{n}f}" if k in row else "–" for k, n in numbers.items()))
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
