"""Finding runs below a folder and reading what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from mapga.errors import ConfigError, DamagedError, closest
from mapga.files.plain_yaml import from_yaml
from mapga.node import TITLE
from mapga.records.documents import read_json, read_summary
from mapga.records.losses import Losses
from mapga.spec import REPLACED, RunSpec

__all__ = [
    "UNREADABLE",
    "Run",
    "StoredProblem",
    "check_folder",
    "collect",
    "no_runs",
    "read_run",
    "run_of",
    "settings",
    "told_apart",
    "trouble",
]

# What a run's folder raises whose files were damaged, in whatever way.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError)

_REMEDY = "the run's own command writes it again"

# Parts of the config whose differences tell runs of one solver apart.
_DISTINGUISHING = ("prior", "solver", "schedule", "dataset", "seed", "dtype", "rounding")


class StoredProblem(NamedTuple):
    """Images and measurements that runs may share; ``folder`` is where they lie."""

    dataset: str
    task: str
    noise: str
    folder: str

    def __str__(self) -> str:
        return f"{self.dataset} {self.task}" + (f", noise {self.noise}" if self.noise else "")


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        folder: Where it lies.
        spec: What it is.
        status: ``"done"``, ``"skipped"`` (with a reason), ``"failed"`` (with its last error line, or because no image
            was restored) or ``"incomplete"``.
        reason: Why it was skipped or failed.
        metrics: ``metrics.json``; empty unless done.
        problem_name: Where its truth and measurements lie, below its results folder.
    """

    folder: Path
    spec: RunSpec
    status: Literal["done", "skipped", "failed", "incomplete"]
    reason: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    problem_name: str = ""

    @property
    def names(self) -> Mapping[str, str]:
        """Chosen groups: dataset, task, prior, solver, schedule, ..."""
        return self.spec.names

    @property
    def problem(self) -> StoredProblem:
        """What it restored: runs of one problem had the same images and measurements, and may be compared."""
        noise = f"{self.spec.sigma_y:g} on {self.spec.sigma_y_unit}" if self.spec.sigma_y else ""
        return StoredProblem(self.names["dataset"], self.names["task"], noise, self.problem_name)

    @property
    def problem_folder(self) -> Path:
        """Where its truth and measurements lie."""
        return self.folder.parent / self.problem.folder


def no_runs(root: Path, which: str = "runs") -> ConfigError:
    """What is said of a folder that holds none, or none that are finished."""
    return ConfigError(f"{root} holds no {which}; make one with: mapga run results_dir={root}")


def check_folder(root: Path, what: str = "the results_dir of your runs") -> None:
    """Do nothing about a folder.

    Args:
        root: Where runs are looked for.
        what: What is wanted, for the message.

    Raises:
        ConfigError: It is none; naming what is beside it and comes nearest.
    """
    if not root.is_dir():
        beside = [path.name for path in root.parent.iterdir() if path.is_dir()] if root.parent.is_dir() else []
        raise ConfigError(f"{root} is not a folder{closest(root.name, beside)} name {what}")


def collect(root: Path) -> tuple[list[Run], list[str]]:
    """Every run at or below ``root``, in the order of their names, and a line for each that cannot be read.

    One that was replaced is passed over, unless ``root`` is it.
    """
    runs, troubles = [], []
    for path in sorted(root.rglob("config.yaml")):
        if REPLACED in str(path.parent.relative_to(root)):
            continue
        try:
            runs.append(_sound(read_run(path.parent)))
        except UNREADABLE as error:
            troubles.append(trouble(path.parent, error))
    return runs, troubles


def trouble(folder: Path, error: Exception) -> str:
    """One line for a run's folder that raised one of ``UNREADABLE``."""
    if isinstance(error, DamagedError):
        return str(error)
    reason = " ".join(str(error).split()) or "nothing is in it"
    return f"{folder}: cannot be read, its config.yaml is damaged ({reason}); the run's own command writes it again"


def read_run(folder: Path) -> Run:
    """What a run's folder says of itself.

    Raises:
        OSError, ValueError, KeyError: It cannot be read.
    """
    record = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
    names = {str(key): str(value) for key, value in record.pop("names").items()}
    problem = str(record.pop("problem"))
    return run_of(folder, RunSpec(record, names), problem)


def run_of(folder: Path, spec: RunSpec, problem: str) -> Run:
    """A run that is known: what its folder says of how it went.

    Raises:
        OSError, ValueError, KeyError: It cannot be read.
    """
    found = partial(Run, folder, spec, problem_name=problem)
    if (folder / "done").exists():
        try:
            metrics = read_summary(folder)
        except DamagedError as error:  # then it is not done
            return found("incomplete", reason=str(error).removeprefix(f"{folder}/"))
        losses = Losses.told(metrics)
        return found("failed", reason=str(losses)) if losses.all else found("done", metrics=metrics)
    if (folder / "skipped.json").exists():
        return found("skipped", reason=str(read_json(folder / "skipped.json", _REMEDY).get("reason", "")))
    if (folder / "error.txt").exists():
        lines = (folder / "error.txt").read_text(encoding="utf-8").strip().splitlines()
        return found("failed", reason=lines[-1] if lines else "")
    return found("incomplete")


def _sound(run: Run) -> Run:
    """The run, once everything that a report reads of it was found there: one broken run must not end the report."""
    _ = run.problem, run.spec.seed, [run.names[key] for key in ("prior", "solver", "schedule")]
    return run


def settings(runs: list[Run]) -> dict[Path, str]:
    """For each run the settings that tell it apart from the other runs of its problem and solver, "" if none do."""
    families: dict[tuple[StoredProblem, str], list[Run]] = {}
    for run in runs:
        families.setdefault((run.problem, run.names["solver"]), []).append(run)
    return {folder: label for family in families.values() for folder, label in told_apart(family).items()}


def told_apart(family: Sequence[Run], parts: Sequence[str] = _DISTINGUISHING) -> dict[Path, str]:
    """For each run of a family the settings, of these parts of the config, in which it differs from another, or ""."""
    flat = [dict(_flatten(run, parts)) for run in family]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    varying = [key for key in keys if len({repr(one.get(key)) for one in flat}) > 1]
    return {
        run.folder: " ".join(f"{_short(key)}={one[key]}" for key in varying if key in one)
        for run, one in zip(family, flat, strict=True)
    }


def _flatten(run: Run, parts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for part in parts:
        value: Any = run.spec.config
        for key in part.split("."):
            value = value.get(key)
        if isinstance(value, Mapping):
            plain = {key: item for key, item in value.items() if not isinstance(item, Mapping)}
            yield from ((f"{part}.{key}", item) for key, item in plain.items() if key not in ("_target_", TITLE))
            if part in run.names:
                yield part, run.names[part]
        else:
            yield part, value


def _short(key: str) -> str:
    return key.removeprefix("solver.").removeprefix("schedule.").removeprefix("task.operator.")
