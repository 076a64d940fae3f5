"""What a solver costs beside its network: seconds of a whole solve over seconds of its bare passes.

    .venv/bin/python benchmarks/overhead.py [--batch 32] [--steps 10] [--repeats 11] [--threads 1] [overrides]

A first solve records every pass of the prior (which function, at which sigma, with or without a vector-Jacobian
product). Then whole solves, whose passes are timed within them, and replays of exactly those passes alternate, which
first too. The ratio is that of a solve to the passes within it, so that what else the machine does hits both; what the
clock of passes does not see of a bare one, such as torch's way into its gradient, counts as the pass's there too. The
replay tells whether passes are slower within a solve than alone. The floor is 1.0. Results go to the terminal and to
benchmarks/results/overhead-<prior>-<threads>.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mapga.config.compose import compose_run, spec_of
from mapga.config.files import options
from mapga.node import OPERATOR, SCHEDULE, SOLVER
from mapga.pixels import from_uint8
from mapga.priors import Prior
from mapga.problem import Problem, measure
from mapga.rng import NoiseSource
from mapga.run.assemble import make_dataset, make_prior
from mapga.run.batch import solve
from mapga.run.meter import Meter, MeteredPrior
from mapga.solvers import Solver

SEED = 0
NOISE = {"map_ga_pgdm": 0.1, "map_ga_pgdm_d": 0.1}  # the others are timed noiseless


class Pass(NamedTuple):
    """One recorded pass."""

    function: str
    x: Tensor
    sigma: float
    vjp: bool


class Recorder(Prior):
    """A prior that writes down its passes."""

    def __init__(self, prior: Prior) -> None:
        self.prior, self.passes = prior, list[Pass]()
        self.image_shape, self.sigma_min, self.sigma_max = prior.image_shape, prior.sigma_min, prior.sigma_max

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._noted("denoise", x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._noted("consistency", x, sigma)

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._noted("score", x, sigma)

    def _noted(self, function: str, x: Tensor, sigma: float | Tensor) -> Tensor:
        self.passes.append(Pass(function, x.detach(), float(sigma), x.requires_grad))
        return getattr(self.prior, function)(x, sigma)


def replay(prior: Prior, passes: list[Pass]) -> None:
    """The same passes, at the same points, and nothing else."""
    for function, x, sigma, vjp in passes:
        if vjp:
            z = x.detach().requires_grad_()
            with torch.enable_grad():
                value = getattr(prior, function)(z, sigma)
            torch.autograd.grad(value, z, x)
        else:
            with torch.no_grad():
                getattr(prior, function)(x, sigma)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def overhead(solver: Solver, problem: Problem, prior: Prior, indices: list[int], repeats: int) -> dict[str, float]:
    """Medians of whole solves, of their bare passes, of solves over the passes within, and of those over bare ones."""

    def whole(chosen: Prior) -> None:
        shape, y = prior.image_shape, problem.y
        noise = NoiseSource(SEED, indices, shape, device=y.device, dtype=y.dtype)
        solve(solver, problem, chosen, noise)

    recorder = Recorder(prior)
    whole(recorder)
    works: dict[str, Callable[[Prior], None]] = {"solve": whole, "bare": lambda chosen: replay(chosen, recorder.passes)}
    works["bare"](prior)
    taken: dict[str, list[float]] = {name: [] for name in works}
    seen: dict[str, list[float]] = {name: [] for name in works}  # by the clock of passes
    for k in range(repeats):
        for name in sorted(works, reverse=k % 2 == 0):
            meter = Meter(problem.y.device)
            metered, work = MeteredPrior(prior, meter), works[name]
            taken[name].append(seconds(lambda metered=metered, work=work: work(metered)))  # type: ignore[misc]
            seen[name].append(meter.seconds())
    share = statistics.median(part / floor for part, floor in zip(seen["bare"], taken["bare"], strict=True))
    return {
        "solve_s": statistics.median(taken["solve"]),
        "floor_s": statistics.median(taken["bare"]),
        "seen_of_bare": share,
        "ratio": statistics.median(share * one / part for one, part in zip(taken["solve"], seen["solve"], strict=True)),
        "passes_ratio": statistics.median(a / b for a, b in zip(seen["solve"], seen["bare"], strict=True)),
        "forward": len(recorder.passes),
        "vjp": sum(one.vjp for one in recorder.passes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU (default 1)")
    parser.add_argument("--solvers", nargs="+", help="of conf/solver; default: all that can serve the task")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/overhead-<prior>-<threads>.json")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    settings = [f"dataset.limit={arguments.batch}", f"schedule.steps={arguments.steps}", *arguments.overrides]
    spec = spec_of(compose_run([*settings, "solver=pinv"]))  # which brings no levels of its own
    dataset = make_dataset(spec)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prior = make_prior(spec, dataset).to(device, torch.float32)
    images = torch.cat([from_uint8(dataset[row].image[None]) for row in range(len(dataset))]).to(device, torch.float32)
    indices = list(range(len(images)))
    operator = spec.node(OPERATOR).build({"image_shape": dataset.image_shape})
    operator = operator.to(device, torch.float32)

    columns = ("solver", "forward", "vjp", "solve (s)", "bare passes (s)", "ratio", "passes within / bare")
    table = Table(*columns, title=f"prior={spec.names['prior']}")
    results = {}
    for name in arguments.solvers or options("solver"):
        solver = (
            spec_of(compose_run([*settings, f"solver={name}"]))
            .node(SOLVER)
            .build({"schedule": spec.node(SCHEDULE).build()})
        )
        problem = measure(images, operator, NOISE.get(name, 0.0), seed=SEED, indices=indices)
        if solver.supports(operator, problem.sigma_y, prior) or name == "pinv":
            continue
        one = overhead(solver, problem, prior, indices, arguments.repeats)
        results[name] = one
        times = [f"{one[key]:.3f}" for key in ("solve_s", "floor_s", "ratio", "passes_ratio")]
        table.add_row(name, str(one["forward"]), str(one["vjp"]), *times)
        print(name, *times, file=sys.stderr, flush=True)
    Console().print(table)
    machine = {"device": str(device), "threads": torch.get_num_threads(), "torch": torch.__version__}
    record = {
        "prior": spec.names["prior"],
        "batch": arguments.batch,
        "steps": arguments.steps,
        "repeats": arguments.repeats,
    }
    name = f"overhead-{spec.names['prior']}-{arguments.threads}.json"
    output = arguments.output or Path(__file__).parent / "results" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(
        json.dumps(record | machine | {"machine": platform.machine(), "solvers": results}, indent=2) + "\n"
    )
    print(output)


if __name__ == "__main__":
    main()
