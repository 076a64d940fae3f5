"""``mapga doctor``: what is installed, what the machine has, what is missing, and which solver can serve which task."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mapga import __version__, plugins
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import collisions, conf_dirs
from mapga.errors import ConfigError
from mapga.files.fetch import cache_folder
from mapga.files.need import Need
from mapga.node import DATASET, OPERATOR, PRIOR, SOLVER, metric
from mapga.run.assemble import make_dataset, make_prior
from mapga.run.support import support_matrix
from mapga.tracking.credentials import find_key

__all__ = ["examine"]

# What a part of the suite needs, and the extra of pyproject.toml that installs it.
_PARTS = {"lpips": "metrics", "cleanfid": "metrics", "torchvision": "metrics", "torchmetrics": "metrics",
          "accelerate": "train", "wandb": "wandb", "lmdb": "lsun",
          "submitit": "slurm", "joblib": "joblib", "optuna": "optuna", "ray": "ray",
          "pyarrow": "parquet"}  # fmt: skip
_VERDICTS = ("yes", "noisy only", "noiseless only", "no")
_WIDE = 400  # columns where there is no terminal
_VERSIONS = ("torch", "numpy", "hydra-core", "omegaconf", "diffusers")


def examine(overrides: Sequence[str], found: Sequence[Need]) -> None:
    """Print versions, devices, optional parts, cached and missing files, and the support matrix for dataset and prior.

    Args:
        overrides: As for a run; ``dataset`` and ``prior`` matter.
        found: What the run, or the runs of a sweep, need from elsewhere.

    Raises:
        ConfigError: Overrides that cannot be composed.
    """
    console = Console(highlight=False, emoji=False, width=None if Console().is_terminal else _WIDE)
    spec = spec_of(compose_run(overrides))
    console.print(f"mapga {__version__}, Python {platform.python_version()} on {platform.platform()}")
    console.print(", ".join(f"{package} {importlib.metadata.version(package)}" for package in _VERSIONS))
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    threads = torch.get_num_threads()
    cpu = f"CPU with {threads} thread" + "s" * (threads > 1)
    console.print(f"devices: {', '.join([*gpus, cpu])}")
    console.print(f"sbatch: {shutil.which('sbatch') or 'not on this machine; submit from a login node'}")
    for what, folder in (("results_dir", spec.results_dir), ("cache", cache_folder())):
        console.print(f"{what} {folder.absolute()}: {_free(folder) / 1e9:,.0f} GB free", markup=False)
    lacking = {package: extra for package, extra in _PARTS.items() if not _installed(package)}
    whole = [extra for extra in dict.fromkeys(_PARTS.values()) if extra not in lacking.values()]
    console.print(f"extras: {' '.join(whole) or 'none'}")
    if "wandb" in whole:
        console.print(f"wandb: {'a key is here' if find_key() else 'no key is here; runs are kept offline'}")
    for package, extra in lacking.items():
        console.print(f'{package} is not installed; it comes with: pip install "mapga[{extra}]"', markup=False)

    for line in _brought():
        console.print(line, markup=False)
    for line in _cached():
        console.print(line, markup=False)
    for need in found:
        state = "here" if need.problem is None else f"MISSING: {need.problem}"
        console.print(f"{need.key}: {need.what}: {state}", markup=False)
    if any(need.key == "dataset" and need.problem for need in found):
        return

    dataset = make_dataset(spec)
    matrix = support_matrix(spec, dataset, make_prior(spec, dataset))
    solvers, tasks = list(dict.fromkeys(s for s, _ in matrix)), list(dict.fromkeys(t for _, t in matrix))
    console.print(f"tasks: {' '.join(tasks)}")
    title = f"who can serve which task: dataset={spec.names['dataset']} prior={spec.names['prior']}"
    known = {solver: {task: _verdict(*matrix[solver, task]) for task in tasks} for solver in solvers}
    verdicts = [one for one in _VERDICTS if any(one in of.values() for of in known.values())]
    table = Table("solver", *verdicts, title=title)
    for solver in solvers:
        table.add_row(solver, *_told(known[solver], verdicts))
    console.print(table)
    reasons: dict[str, dict[str, None]] = {}
    for (solver, _), pair in matrix.items():
        for reason in filter(None, pair):
            reasons.setdefault(reason, {})[solver] = None
    for reason, of in reasons.items():
        console.print(f"* {'' if len(of) == len(solvers) else ', '.join(of) + ': '}{escape(reason)}")


def _free(folder: Path) -> int:
    """Bytes left where a folder is, or will be."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # hidden, by an import hook or by setting it to None
        return False


def _brought() -> list[str]:
    """What other packages and a person's own folder bring, and what is wrong with it, one line each."""
    by_package: dict[str, list[str]] = {}
    for room in plugins.ROOMS:
        for one in plugins.declared(room):
            by_package.setdefault(one.origin, []).append(f"{room}.{one.name}")
    lines = [f"package {origin} brings {', '.join(names)}" for origin, names in by_package.items()]
    lines += [f"configs in {folder}" for folder in conf_dirs()[1:]]
    return lines + [f"WRONG: {line}" for line in [*_broken(), *plugins.faults(), *collisions()]]


def _broken() -> list[str]:
    """What is wrong with the components that other packages declare, one line each. Their modules are imported."""
    found = []
    for slot in (DATASET, OPERATOR, PRIOR, SOLVER, metric("any")):
        for one in plugins.declared(slot.package):
            try:
                slot.declared(one.name)
                slot.foreign(one)
            except ConfigError as error:
                found.append(str(error))
    return list(dict.fromkeys(found))


def _cached() -> list[str]:
    """The files in the cache, one line each."""
    folder = cache_folder()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    sizes = [f"  {path.relative_to(folder)} {path.stat().st_size / 1e6:,.1f} MB" for path in files]
    return [f"cache {folder}: {len(files) or 'no'} files", *sizes]


def _told(found: Mapping[str, str], verdicts: Sequence[str]) -> list[str]:
    """The tasks of each verdict, those of the commonest as what is left."""
    of = {verdict: [task for task, one in found.items() if one == verdict] for verdict in verdicts}
    commonest = max(of, key=lambda verdict: len(of[verdict]))
    rest = "all" if len(of[commonest]) == len(found) else "all others"
    return [rest if verdict == commonest else " ".join(tasks) for verdict, tasks in of.items()]


def _verdict(noiseless: str | None, noisy: str | None) -> str:
    if noiseless and noisy:
        return "no"
    return "noisy only" if noiseless else "noiseless only" if noisy else "yes"
