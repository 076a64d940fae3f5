"""Whether work grows as the images do, and shards as processes: python benchmarks/scale.py [--output FILE]

Random 16x16 pictures are restored by MAP-GA without its prior term through the denoiser of a standard Gaussian, which
costs nothing; scored; and reported, each in a process of its own: seconds, and the most memory beyond what the process
had when it began. Two shards, a thread each, restore digits with the shipped networks side by side; their images a
second are set beside those of one such process alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mapga.files.durable import write_json

SIDE = 16
RUN = ["dataset=array", "prior=none", "solver=pinv", "task=box50", "schedule.steps=3", "batch_size=250", "tracker=none"]
DIGITS = ["dataset=mnist", "prior=mnist", "task=box50", "solver=map_ga_d_np", "schedule.steps=5", "batch_size=16"]


def restore(images: Path, results: Path) -> None:
    """All but the network is the suite's: reading, measuring, noise, the solver's own work, storing, journal."""
    import torch

    from mapga.config.compose import compose_run, spec_of
    from mapga.priors.callables import from_callable
    from mapga.run.assemble import make_job
    from mapga.run.progress import ProgressDisplay
    from mapga.run.runner import run_job
    from mapga.solvers import MAPGA

    torch.set_num_threads(1)
    job = make_job(spec_of(compose_run([*RUN, f"dataset.path={images}", f"results_dir={results}"])))
    prior = from_callable(lambda x, sigma: x / (1 + sigma**2), (1, SIDE, SIDE))
    solver = MAPGA(job.solver.schedule, use_prior=False, consistency=False)
    run_job(replace(job, prior=prior, solver=solver, metrics=[]), ProgressDisplay())


def score(images: Path, results: Path) -> None:
    command("score", str(results), "metrics=basic")


def report(images: Path, results: Path) -> None:
    command("report", str(results))


def command(*argv: str) -> None:
    from mapga.cli import main

    if code := main([*argv, "-q"]):
        sys.exit(code)


STAGES: dict[str, Callable[[Path, Path], None]] = {"restore": restore, "score": score, "report": report}


def grown(sizes: list[int], repeats: int, folder: Path) -> list[dict[str, Any]]:
    """The fewest seconds and the most memory of each stage by the number of images."""
    found = []
    for size in sizes:
        images = folder / f"{size}.npy"
        draw = np.random.default_rng(0)
        np.save(images, draw.integers(0, 256, (size, SIDE, SIDE, 1), dtype=np.uint8))
        results = [folder / f"{size}-{repeat}" for repeat in range(repeats)]
        for stage in STAGES:
            seconds, mib = zip(*(in_its_own_process(stage, images, one) for one in results), strict=True)
            found.append({"images": size, "stage": stage, "seconds": min(seconds), "mib": max(mib)})
            print(found[-1], sorted(seconds), flush=True)
    return found


def in_its_own_process(stage: str, images: Path, results: Path) -> tuple[float, int]:
    """Seconds and memory of one stage."""
    given = [sys.executable, __file__, "--stage", stage, "--images", str(images), "--results", str(results)]
    said = subprocess.run(given, capture_output=True, text=True)  # warns that a network stands in for none
    if said.returncode:
        sys.exit(said.stderr)
    told = json.loads(said.stdout.splitlines()[-1])
    return told["seconds"], told["mib"]


def measured(stage: str, images: Path, results: Path) -> None:
    """One stage in this process: its seconds, and its peak of memory beyond what was there before, on stdout."""
    import mapga.report
    import mapga.run.rescore  # noqa: F401  # what a stage imports is no part of what grows

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    STAGES[stage](images, results)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": round(seconds, 2), "mib": round(peak / 1024)}))


def sharded(digits: int, folder: Path) -> dict[str, float]:
    """Images a second of one process, and of two shards side by side, by the seconds that their solves took."""
    alone = speed(digits, folder / "one", ["0/1"])
    both = speed(digits, folder / "two", ["0/2", "1/2"])
    return {"one": round(alone, 3), "two": round(both, 3), "ratio": round(both / alone, 3)}


def speed(digits: int, results: Path, shards: list[str]) -> float:
    given = [*DIGITS, f"dataset.limit={digits}", f"results_dir={results}", "device=cpu"]
    argv = [sys.executable, "-m", "mapga", "run", "-q", *given]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    at_work = [
        subprocess.Popen([*argv, f"shard={shard}"], env=environment, stdout=subprocess.DEVNULL) for shard in shards
    ]
    codes = [process.wait() for process in at_work]
    if any(codes):
        sys.exit("a shard failed; what it said stands above")
    (costs,) = results.glob("mnist-*/batches.jsonl")
    seconds = sum(json.loads(line)["seconds"] for line in costs.read_text(encoding="utf-8").splitlines())
    return digits * len(shards) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 5_000, 50_000])
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--digits", type=int, default=64, help="of two shards together; 0: no shards")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/scale.json")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.stage:
        measured(told.stage, told.images, told.results)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {"stages": grown(told.sizes, told.repeats, Path(folder))}
        if told.digits:
            found["shards"] = sharded(told.digits, Path(folder))
    write_json(told.output, found)


if __name__ == "__main__":
    main()
