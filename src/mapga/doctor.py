"""``mapga doctor``: what is installed, what the machine has, and which solver can serve which task."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mapga import __version__
from mapga.config import build_dataset, compose_run, make_prior, resolve, support_matrix

__all__ = ["examine"]

# What a part of the suite needs, and the extra of pyproject.toml that installs it.
_PARTS = {"lpips": "metrics", "cleanfid": "metrics", "torchvision": "metrics", "wandb": "wandb", "lmdb": "lsun",
          "submitit": "slurm", "joblib": "joblib"}  # fmt: skip
_VERSIONS = ("torch", "numpy", "hydra-core", "omegaconf", "diffusers", "torchmetrics")


def examine(overrides: Sequence[str]) -> None:
    """Print versions, devices, optional parts, and the support matrix for a dataset and prior.

    Args:
        overrides: As for a run; ``dataset`` and ``prior`` matter.

    Raises:
        ConfigError: Overrides that cannot be composed.
    """
    console = Console(highlight=False)
    config, names = resolve(compose_run(overrides))
    console.print(f"mapga {__version__}, Python {platform.python_version()} on {platform.platform()}")
    console.print(", ".join(f"{package} {importlib.metadata.version(package)}" for package in _VERSIONS))
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    console.print(f"devices: {', '.join([*gpus, f'CPU with {torch.get_num_threads()} threads'])}")
    for package, extra in _PARTS.items():
        if importlib.util.find_spec(package) is None:
            console.print(f'{package} is not installed; it comes with: pip install "mapga[{extra}]"', markup=False)

    dataset = build_dataset(config)
    matrix = support_matrix(config, dataset, make_prior(config["prior"], dataset))
    tasks, solvers = list(dict.fromkeys(t for t, _ in matrix)), list(dict.fromkeys(s for _, s in matrix))
    table = Table("task", *solvers, title=f"solvers for dataset={names['dataset']} prior={names['prior']}")
    for task in tasks:
        table.add_row(task, *("no" if matrix[task, solver] else "yes" for solver in solvers))
    console.print(table)
    for reason in dict.fromkeys(f"{s}: {why}" for (_, s), why in matrix.items() if why):
        console.print(f"* {escape(reason)}")
