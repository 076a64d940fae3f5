"""Solvers beside the exact posterior: runs of experiment=exactness, and what they come to, as a table.

    python experiments/exactness/study.py small RESULTS    # minutes on two cores; goes on where it was stopped
    python experiments/exactness/study.py full RESULTS [--jobs N] [--device cuda]
    python experiments/exactness/study.py learned RESULTS [...]    # shipped networks in the exact prior's place
    python experiments/exactness/study.py store RESULTS    # solvers.csv, beside this file

A run is a line of the table: prior, task, noise and solver, and of each metric the value, half its 95 % interval, and
of several samples what as many exact ones score. Solver "exact" is one exact sample of each measurement.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from mapga.node import OPERATOR, SOLVER
from mapga.pixels import from_uint8
from mapga.posteriors import estimates, exact_posterior
from mapga.problem import measure
from mapga.records.collect import Run, collect
from mapga.run.assemble import make_dataset

HERE = Path(__file__).parent
TASKS = ("box50", "half", "supres4x", "deblur", "denoise")
NOISES = ("0", "0.05", "0.2")
SOLVERS = (
    *("map_ga_np", "map_ga_d_np", "map_ga", "map_ga_d", "map_gn", "map_gn_fast"),
    *("pgdm", "dps", "ddrm", "ct_zsie"),
)
FULL_SHIFT = ("solver=pgdm", "solver.guidance=posterior_mean", "solver.r_rule=data")
SIZES = {"0.05": "0.105", "0.1": "0.136", "0.2": "0.22", "0.3": "0.314"}  # root mean square of a value of draws, by std
WITHOUT_C = ("map_ga_d_np", "map_ga_d", "map_gn_fast", "pgdm", "dps", "ddrm")
THROUGH_C = ("map_ga_np", "map_gn", "ct_zsie")
TRUTHS = ("dataset.limit=32", "batch_size=304")  # 608 samples
PATCHES = ("prior=patches", "+prior.contrast=0.4", "dataset.limit=32", "samples=9", "batch_size=288")
NETWORKS = ("overlapping_networks", "trained")
OVERLAPPING = (
    "dataset.prior={_target_: mapga.priors.MixturePrior.from_images, std: 0.2, components: 64, contrast: 0.1, "
    "ode_steps: 32, chunk: 8192}"
)
ONE = (
    "gap_to_mmse",
    "gap_to_mode",
    "gap_to_samples",
    "mass_reached",
    "best_component",
    "posterior_entropy",
    "consistency",
)
SEVERAL = (
    *("variance_ratio", "mode_weights_tv", "energy_distance", "sliced_wasserstein"),
    *("coverage_50", "coverage_80", "coverage_95", "projection_ranks", "distance_ranks"),
)


def small() -> Iterator[list[str]]:
    """Two tasks with some noise, on 8 truths."""
    place = ["task=box50,supres4x", "task.sigma_y=0.05", "dataset.limit=8"]
    yield from _solvers(place)


def full() -> Iterator[list[str]]:
    """Every task and noise on 32 truths, other spreads of the components, natural patches, PGDM with more steps."""
    yield from _solvers(["task=box50,half,supres4x,deblur", f"task.sigma_y={','.join(NOISES)}", *TRUTHS])
    yield from _solvers(["task=denoise", "task.sigma_y=0.05,0.2", *TRUTHS])  # without noise y is the truth
    for std in ("0.05", "0.1", "0.3"):
        yield from _solvers(["task=box50", "task.sigma_y=0.05", f"prior.std={std}", *TRUTHS], std=std)
    few = ["task=box50,supres4x", "task.sigma_y=0.05", "dataset.limit=8"]
    yield [*few, *FULL_SHIFT, f"solver.sigma_data={SIZES['0.2']}", "passes=400,1600"]
    # MAP-GA with its prior term was 5.6 dB off on box50 of patches: some components are far narrower than sigma_y.
    able, place = [solver for solver in WITHOUT_C if solver != "map_ga_d"], "task=box50,half,supres4x"
    yield from _solvers([*PATCHES, place, f"task.sigma_y={','.join(NOISES)}"], able)
    yield from _solvers([*PATCHES, "task=denoise", "task.sigma_y=0.05,0.2"], able)
    few = ["prior=patches", "+prior.contrast=0.4", "dataset.limit=8", "samples=3"]  # C takes 192 evaluations of D
    yield [*few, "task=box50,half", "task.sigma_y=0.05", f"solver={','.join(THROUGH_C)}"]


def _solvers(place: list[str], solvers: Sequence[str] = SOLVERS, std: str = "0.2") -> Iterator[list[str]]:
    yield [*place, f"solver={','.join(solvers)}"]
    yield [*place, *FULL_SHIFT, f"solver.sigma_data={SIZES[std]}"]


def learned() -> Iterator[list[str]]:
    """Solvers with learned networks on the first 8 truths of the default prior, and with the exact D and C on them."""
    for prior in ([], [OVERLAPPING, "prior=overlapping_networks"]):
        place = [*prior, "dataset.limit=8"]
        yield from _solvers([*place, f"task={','.join(TASKS)}", "task.sigma_y=0.05"])
        place.append("samples=9")
        yield from _solvers([*place, f"task={','.join(TASKS[:-1])}", "task.sigma_y=0,0.2"])
        yield from _solvers([*place, "task=denoise", "task.sigma_y=0.2"])


def launch(results: Path, every: Sequence[list[str]], jobs: int, device: str) -> None:
    """Run sweeps, so many at a time; solvers that cannot serve a task are skipped by the suite."""

    def one(overrides: list[str]) -> int:
        words = ["run", "-m", "experiment=exactness", f"results_dir={results}", f"device={device}", *overrides]
        return subprocess.run([sys.executable, "-m", "mapga", *words], check=False).returncode

    with ThreadPoolExecutor(jobs) as pool:
        if failed := sum(code not in (0,) for code in pool.map(one, every)):
            sys.exit(f"{failed} of {len(every)} sweeps failed; the same command goes on")


def store(results: Path, path: Path) -> None:
    """Write down what every finished run came to."""
    runs = [run for run in collect(results)[0] if run.status == "done"]
    columns = ["prior", "std", "task", "sigma_y", "solver", "images", "passes", "lost"]
    columns += [f"{name}{part}" for name in ONE for part in ("", "_error")]
    columns += [f"{name}{part}" for name in SEVERAL for part in ("", "_error", "_exact")] + ["ranks"]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        lines = [_line(run) for run in runs] + [_exact(run) for run in {run.problem: run for run in runs}.values()]
        writer.writerows(sorted(lines, key=lambda line: [str(line[key]) for key in columns[:5]]))


def _line(run: Run) -> dict[str, object]:
    drawn = run.spec.config["dataset"]["prior"]
    full = getattr(run.spec.node(SOLVER).namespace, "guidance", "") == "posterior_mean"
    line: dict[str, object] = {
        "prior": "learned" if run.names["prior"] in NETWORKS else run.names["prior"],
        "std": drawn.get("std", ""),
        "task": run.names["task"],
        "sigma_y": f"{run.spec.sigma_y:g}",
        "solver": run.names["solver"] + ("_full" if full else ""),
        "images": run.metrics["n_images"] // run.spec.samples,
        "passes": run.spec.passes,
        "lost": run.metrics["n_failed"],
    }
    for name in (*ONE, *SEVERAL):
        cell = run.metrics["metrics"].get(name, {})
        if cell.get("mean") is not None:
            low, high = cell.get("interval", (0.0, 0.0))
            error = (high - low) / 2 if "interval" in cell else 1.96 * (cell["sem"] or 0.0)
            line |= {name: f"{cell['mean']:.4g}", f"{name}_error": f"{error:.2g}"}
            if name in SEVERAL:
                line[f"{name}_exact"] = f"{cell['floor']:.4g}"
    ranks = run.metrics["metrics"].get("projection_ranks", {}).get("histograms")
    return line | {"ranks": json.dumps(ranks[:1]) if ranks else ""}


def _exact(run: Run) -> dict[str, object]:
    """What one exact sample of each measurement of a run's problem comes to."""
    spec, images = run.spec, make_dataset(run.spec)
    items = [images[row] for row in range(0, len(images), spec.samples)]
    indices = [item.index for item in items]
    operator = spec.node(OPERATOR).build({"image_shape": images.image_shape}).to("cpu", torch.float64)
    truth = from_uint8(np.stack([item.image for item in items]))
    posterior = exact_posterior(measure(truth, operator, spec.sigma_y, seed=spec.seed, indices=indices), images.prior)
    x, others = posterior.sample(33, seed=1, indices=indices).split([1, 32], 1)
    found = {
        "gap_to_mmse": estimates.gap_to_mmse(posterior, x[:, 0]),
        "gap_to_mode": estimates.gap_to_mode(posterior, x[:, 0]),
        "gap_to_samples": estimates.gap_to_samples(posterior, x[:, 0], others),
        "mass_reached": estimates.mass_reached(posterior, x[:, 0]),
        "best_component": estimates.best_component(posterior, x[:, 0]),
        "posterior_entropy": posterior.entropy(),
    }
    line = {key: value for key, value in _line(run).items() if key in ("std", "task", "sigma_y", "images")}
    line |= {"prior": "patches" if spec.names["prior"] == "patches" else "overlapping", "solver": "exact"}
    for name, values in found.items():
        error = 1.96 * float(values.std()) / len(values) ** 0.5
        line |= {name: f"{float(values.mean()):.4g}", f"{name}_error": f"{error:.2g}"}
    return line


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("small", "full", "learned", "store"))
    parser.add_argument("results", nargs="?", type=Path, default=Path("results/exactness"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="auto")
    told = parser.parse_args()
    if told.what == "store":
        store(told.results, HERE / "solvers.csv")
    else:
        every = {"small": small, "full": full, "learned": learned}[told.what]()
        launch(told.results, list(every), told.jobs, told.device)
