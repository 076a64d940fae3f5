"""Time and memory of a report over many runs: python benchmarks/report.py --runs 400 --images 1000

Folders of finished runs with random numbers and random pictures are written first; only the report is timed, in a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from mapga.config.files import conf_dir
from mapga.files.durable import write_json
from mapga.records import RunFolder
from mapga.records.store import ImageStore
from mapga.spec import RunSpec

TASKS = ("box50", "half", "expand", "box25", "sr2x", "altlines", "deblur", "supres4x")
OPERATORS = {task: yaml.safe_load((conf_dir() / "task" / f"{task}.yaml").read_text())["operator"] for task in TASKS}
SOLVERS = ("ddrm", "ct_zsie", "pgdm", "map_ga_d_np", "map_ga_d", "map_ga_np", "map_ga")
METRICS = {"psnr": False, "ssim": False, "lpips_alex": True, "consistency": True}


def write_runs(root: Path, runs: int, images: int, size: int) -> None:
    """Finished runs of the eight tasks and seven methods, as many settings of each as ``runs`` allows."""
    draw = np.random.default_rng(0)
    shape = (images, size, size, 3)
    for k in range(runs):
        task, solver, budget = TASKS[k % 8], SOLVERS[k // 8 % 7], k // 56
        names = {"dataset": "synthetic", "task": task, "prior": "none", "solver": solver, "schedule": "karras"}
        config = {
            "dataset": {"_target_": "mapga.datasets.MNIST", "limit": images},
            "task": {"sigma_y": 0.0, "sigma_y_unit": "[-1,1]", "operator": OPERATORS[task]},
            "prior": {"_target_": "mapga.priors.NoPrior"},
            "solver": {"_target_": "mapga.solvers.PseudoInverse"},
            "schedule": {"_target_": "mapga.schedules.Karras", "steps": budget + 1},
            "metrics": {},
            "seed": 0,
            "dtype": "float32",
            "rounding": "round",
            "batch_size": 32,
            "results_dir": str(root),
        }
        folder = RunFolder(RunSpec(config, names))
        folder.open()
        for path in (
            folder.path / "images.npy",
            folder.problem_path / "truth.npy",
            folder.problem_path / "measurement.npy",
        ):
            if not path.exists():
                store = ImageStore.create(path, shape)
                for begin in range(0, images, 5000):
                    rows = range(begin, min(begin + 5000, images))
                    store.write(rows, draw.integers(0, 256, (len(rows), *shape[1:]), dtype=np.uint8))
        values = draw.normal(10 + k % 7, 1, (images, len(METRICS)))
        with (folder.path / "journal.jsonl").open("w") as file:
            for row, numbers in enumerate(values.tolist()):
                metrics = dict(zip(METRICS, numbers, strict=True))
                line = {"row": row, "index": row, "label": 0, "status": "done", "step": None, "metrics": metrics}
                file.write(json.dumps(line) + "\n")
        cells = {
            name: {"mean": mean, "sem": 0.1, "n": images, "lower_is_better": lower}
            for (name, lower), mean in zip(METRICS.items(), values.mean(axis=0).tolist(), strict=True)
        }
        compute = {"forward": 10.0 * (budget + 1), "vjp": 0.0, "seconds": 1.0, "seconds_network": 1.0}
        write_json(
            folder.path / "metrics.json", {"n_images": images, "n_failed": 0, "metrics": cells, "compute": compute}
        )
        (folder.path / "done").write_text("")


def main() -> None:
    """Write the runs, report them, print seconds and the peak of memory as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=16, help="pixels a side")
    parser.add_argument(
        "--root", type=Path, default=None, help="where the runs lie or are written; default: a temporary one"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder)
        if not any(root.glob("synthetic-*")):
            write_runs(root, arguments.runs, arguments.images, arguments.size)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mapga.cli", "report", str(root)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            json.dumps(
                {
                    "runs": arguments.runs,
                    "images": arguments.images,
                    "seconds": round(seconds, 1),
                    "peak_mib": round(peak),
                }
            )
        )


if __name__ == "__main__":
    main()
