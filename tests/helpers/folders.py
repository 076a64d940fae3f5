"""Run folders written as a run would leave them, without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mapga.records import Journal, Row, RunFolder, Shard
from mapga.records.store import ImageStore
from mapga.spec import RunSpec

__all__ = ["finished", "summary", "unfinished"]

SHAPE = (3, 8, 8, 1)


def unfinished(
    results: Path, solver: str = "alpha", *, names: dict[str, str] | None = None, **changes: Any
) -> RunFolder:
    """A run that was begun. ``changes`` replace parts of its config, of a component only the keys they have."""
    chosen = {"dataset": "tiny", "task": "half", "prior": "gauss", "solver": solver, "schedule": "karras"}
    config = {
        "dataset": {"_target_": "mapga.datasets.MNIST", "limit": 3},
        "task": {"operator": {"_target_": "mapga.operators.HalfMask"}, "sigma_y": 0.0, "sigma_y_unit": "[-1,1]"},
        "prior": {"_target_": "mapga.priors.NoPrior"},
        "solver": {"_target_": "mapga.solvers.PseudoInverse"},
        "schedule": {"_target_": "mapga.schedules.Karras", "steps": 3},
        "metrics": {
            "psnr": {"_target_": "mapga.metrics.PSNR"},
            "lpips_alex": {"_target_": "mapga.metrics.LPIPS"},
            "fid_clean": {"_target_": "mapga.metrics.FID"},
            "consistency": {"_target_": "mapga.metrics.DataConsistency"},
        },
        "seed": 0,
        "dtype": "float32",
        "rounding": "round",
        "batch_size": 3,
        "results_dir": str(results),
    }
    whole = {
        key: {**config[key], **changes.pop(key)}
        for key in ("dataset", "task", "prior", "solver", "schedule")
        if key in changes
    }
    folder = RunFolder(RunSpec(config | whole | changes, chosen | (names or {})))
    folder.open()
    return folder


def summary(psnr: float | None = 20.0, *, lower_is_better: bool = False, **more: Any) -> dict[str, Any]:
    """A ``metrics.json``."""
    cell = {"mean": psnr, "sem": 0.5, "n": 3, "lower_is_better": lower_is_better}
    return {
        "n_images": 3,
        "n_failed": 0,
        "metrics": {"psnr": cell},
        "compute": {"forward": 4.0, "vjp": 2.0, "seconds": 1.25, "seconds_network": 1.0},
    } | more


def finished(
    results: Path,
    solver: str = "alpha",
    told: dict[str, Any] | None = None,
    *,
    seed: int = 0,
    shape: tuple[int, int, int, int] = SHAPE,
    **more: Any,
) -> RunFolder:
    """A finished run of random images, with its problem's truth and measurements."""
    folder = unfinished(results, solver, seed=seed, **more)
    random = np.random.default_rng(sum(solver.encode()) + seed)
    stores = (folder.path / "images.npy", folder.problem_path / "truth.npy", folder.problem_path / "measurement.npy")
    for path in stores:
        ImageStore.create(path, shape).write(range(shape[0]), random.integers(0, 256, shape).astype(np.uint8))
    folder.journal(Shard(0, 1)).append([Row(k, 10 + k, None, "done", None, {"psnr": 20.0}) for k in range(shape[0])])
    folder.finish(folder.recorded(shape[0]), summary() if told is None else told)
    assert len(list(Journal(folder.path / "journal.jsonl").rows())) == shape[0]
    return folder
