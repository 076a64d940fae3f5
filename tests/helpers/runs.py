"""Runs small enough for tests: eight 8x8 images, an exact Gaussian prior, and jobs made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mapga.datasets.base import Dataset, Item
from mapga.metrics import PSNR, DataConsistency
from mapga.operators import CentralBox
from mapga.priors import GaussianPrior, Prior
from mapga.records import RunFolder, Shard
from mapga.run.job import Job
from mapga.run.progress import ProgressDisplay
from mapga.run.runner import run_job
from mapga.schedules import Karras
from mapga.solvers import MAPGA, Solver
from mapga.spec import RunSpec
from mapga.tracking.base import Tracker

__all__ = ["NAMES", "Killed", "TinyImages", "tiny_job", "tiny_prior", "tiny_spec", "what_lasts"]

SHAPE = (1, 8, 8)
NAMES = {"dataset": "tiny", "task": "box50", "prior": "gaussian", "solver": "map_ga", "schedule": "karras"}


class Killed(BaseException):
    """Passes every ``except Exception``, as a kill does."""


class TinyImages(Dataset):
    """``n`` smooth random 8x8 images; ``read`` lists the positions that were asked for."""

    image_shape = SHAPE
    n_classes = 10

    def __init__(self, n: int = 8, seed: int = 0) -> None:
        coarse = np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 1))
        self._images = coarse.repeat(2, axis=1).repeat(2, axis=2).astype(np.uint8)
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, position: int) -> Item:
        self.read.append(position)
        return Item(position, self._images[position], position % 10)

    def source(self, position: int) -> bytes:
        return self._images[position].tobytes()  # not a reading that counts

    def training(self) -> np.ndarray:
        return TinyImages(50, seed=99)._images


def tiny_prior() -> GaussianPrior:
    """A Gaussian with correlated neighbours."""
    flat = torch.from_numpy(TinyImages(200, seed=99)._images).double().flatten(1) / 127.5 - 1
    covariance = torch.cov(flat.T) + 1e-3 * torch.eye(64, dtype=torch.float64)
    return GaussianPrior(flat.mean(0).reshape(SHAPE), covariance)


def tiny_spec(results: Path, **changes: Any) -> RunSpec:
    """A spec, enough for an identity; ``changes`` replace keys of its config."""
    config = {
        "dataset": {"_target_": "mapga.datasets.MNIST", "limit": 8},
        "task": {"operator": {"_target_": "mapga.operators.HalfMask"}, "sigma_y": 0.1, "sigma_y_unit": "[-1,1]"},
        "prior": {"_target_": "mapga.priors.NoPrior"},
        "solver": {"_target_": "mapga.solvers.MAPGA", "num_iter": 1},
        "schedule": {"_target_": "mapga.schedules.Karras", "steps": 3},
        "metrics": {
            "psnr": {"_target_": "mapga.metrics.PSNR"},
            "consistency": {"_target_": "mapga.metrics.DataConsistency"},
        },
        "tracker": {},
        "seed": 0,
        "passes": None,
        "batch_size": 3,
        "device": "cpu",
        "dtype": "float64",
        "rounding": "round",
        "shard": "0/1",
        "results_dir": str(results),
    }
    return RunSpec(config | changes, NAMES)


def tiny_job(
    results: Path,
    *,
    solver: Solver | None = None,
    dataset: Dataset | None = None,
    prior: Prior | None = None,
    trackers: Sequence[Tracker] = (),
    batch_size: int = 3,
    shard: str = "0/1",
    sigma_y: float = 0.1,
    dtype: torch.dtype = torch.float64,
    trace: bool = False,
) -> Job:
    """A job in float64 on the CPU whose folder lies below ``results``."""
    return Job(
        folder=RunFolder(tiny_spec(results)),
        dataset=TinyImages() if dataset is None else dataset,
        operator=CentralBox(SHAPE, width=0.5),
        sigma_y=sigma_y,
        prior=tiny_prior() if prior is None else prior,
        solver=MAPGA(Karras(steps=3)) if solver is None else solver,
        metrics=[PSNR(), DataConsistency()],
        trackers=list(trackers),
        batch_size=batch_size,
        dtype=dtype,
        shard=Shard.parse(shard),
        trace=trace,
    )


def run_quietly(job: Job) -> Any:
    return run_job(job, ProgressDisplay())


def what_lasts(job: Job) -> dict[str, Any]:
    """What must not depend on how a run came about: bytes of images and journal, numbers of images and of all."""
    summary = json.loads((job.folder.path / "metrics.json").read_text())
    summary["compute"] = {key: summary["compute"][key] for key in ("forward", "vjp")}
    files = {name: (job.folder.path / name).read_bytes() for name in ("images.npy", "journal.jsonl", "done")}
    problem = {name: (job.folder.problem_path / name).read_bytes() for name in ("truth.npy", "measurement.npy")}
    numbers = job.folder.numbers(job.folder.recorded(summary["n_images"])).by_row()
    return {"metrics": summary, "numbers": numbers} | files | problem


def restored(job: Job) -> np.ndarray:
    return np.load(job.folder.path / "images.npy")


def measured(problem_y: Tensor) -> str:
    """Hash of a measurement."""
    return hashlib.sha256(problem_y.contiguous().numpy().tobytes()).hexdigest()
