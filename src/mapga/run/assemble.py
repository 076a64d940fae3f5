"""From a resolved config to the job it stands for: every component built and checked, nothing written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mapga.commands.prefetch import missing, needs
from mapga.config.build import Slot, build
from mapga.config.compose import group
from mapga.datasets.base import Dataset
from mapga.errors import ConfigError
from mapga.metrics.base import ImageMetric, SetMetric
from mapga.operators.base import Operator
from mapga.pixels import from_uint8, sigma_to_sym
from mapga.priors.base import Prior
from mapga.records import RunFolder, Shard
from mapga.run.job import Job
from mapga.solvers.base import Solver
from mapga.tracking.trackers import Tracker

__all__ = [
    "Unsupported",
    "build_dataset",
    "build_metrics",
    "build_trackers",
    "make_job",
    "make_prior",
    "support_matrix",
]

DATASET = Slot("dataset", "mapga.datasets", "Dataset")
OPERATOR = Slot("task.operator", "mapga.operators", "Operator")
PRIOR = Slot("prior", "mapga.priors", "Prior")
SOLVER = Slot("solver", "mapga.solvers", "Solver")
SCHEDULE = Slot("schedule", "mapga.schedules", "Schedule")


_SOME_NOISE = 0.05  # a usual sigma_y, for asking what a solver supports
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Unsupported(ConfigError):
    """A solver that cannot serve a task with a prior."""


def make_job(config: Mapping[str, Any], names: Mapping[str, str]) -> Job:
    """Build and check everything a run needs; nothing is written.

    Raises:
        ConfigError: The first thing that is wrong.
        Unsupported: The solver cannot serve the task.
    """
    if config["batch_size"] < 1:
        raise ConfigError(f"batch_size={config['batch_size']}: at least 1 image is solved at a time")
    if config["dtype"] not in _DTYPES:
        raise ConfigError(f"dtype={config['dtype']!r}: choose {' or '.join(_DTYPES)}")
    if config["rounding"] not in ("round", "truncate"):
        raise ConfigError(f"rounding={config['rounding']!r}: choose round or truncate")
    if config["start"] not in (None, "truth"):
        raise ConfigError(f"start={config['start']!r}: choose null or truth")
    try:
        shard = Shard.parse(config["shard"])
        sigma_y = sigma_to_sym(config["task"]["sigma_y"], config["task"]["sigma_y_unit"])
    except ValueError as error:
        raise ConfigError(f"task.{error}" if str(error).startswith("sigma") else str(error)) from error
    device = _device(config["device"])
    trackers = build_trackers(config)
    schedule = build(SCHEDULE, config["schedule"])
    solver: Solver = build(SOLVER, config["solver"], {"schedule": schedule})
    metrics = build_metrics(config)
    if config["objective"] is not None and config["objective"] not in {metric.name for metric in metrics}:
        measured = ", ".join(metric.name for metric in metrics)
        raise ConfigError(f"objective={config['objective']}: no metric of this run; choose one of {measured}")
    if absent := missing(needs(config, metrics)):
        raise ConfigError(absent)
    dataset = build_dataset(config)
    operator: Operator = build(OPERATOR, config["task"]["operator"], {"image_shape": dataset.image_shape})
    prior = make_prior(config["prior"], dataset, config["seed"])
    if prior.image_shape != dataset.image_shape:
        raise ConfigError(
            f"prior={names['prior']} is for images of {prior.image_shape}, dataset={names['dataset']} has "
            f"{dataset.image_shape}; choose the prior that belongs to the dataset"
        )
    folder = RunFolder(Path(config["results_dir"]).expanduser(), config, names)
    if config["start"] == "truth" and not solver.starts_from_noise:
        raise Unsupported(
            f"start=truth: solver={names['solver']} makes its start of the measurement too, so that there is no one "
            "noised image to start from; drop start=truth, or choose map_ga or pgdm"
        )
    if reason := solver.supports(operator, sigma_y, prior):
        raise Unsupported(
            f"solver={names['solver']} cannot serve task={names['task']} with sigma_y={sigma_y:g} and "
            f"prior={names['prior']}: {reason} (supported here: {', '.join(_able(config, operator, sigma_y, prior))})"
        )
    return Job(
        folder=folder,
        dataset=dataset,
        operator=operator,
        sigma_y=sigma_y,
        prior=prior.loaded(),
        solver=solver,
        metrics=[metric.to(device) for metric in metrics],
        trackers=trackers,
        seed=config["seed"],
        batch_size=config["batch_size"],
        device=device,
        dtype=_DTYPES[config["dtype"]],
        shard=shard,
        rounding=config["rounding"],
        start=config["start"],
        trace=config["trace"],
    )


def build_dataset(config: Mapping[str, Any]) -> Dataset:
    """The dataset of a resolved config."""
    dataset: Dataset = build(DATASET, config["dataset"])
    return dataset


def build_trackers(config: Mapping[str, Any]) -> list[Tracker]:
    """The trackers of a resolved config.

    Raises:
        ConfigError: A tracker that is not ours, or a wrong key.
    """
    trackers: list[Tracker] = [
        build(Slot(f"tracker.{name}", "mapga.tracking", "Tracker"), node) for name, node in config["tracker"].items()
    ]
    for tracker in trackers:
        try:
            tracker.check()
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return trackers


def build_metrics(config: Mapping[str, Any]) -> list[ImageMetric | SetMetric]:
    """The metrics of a resolved config.

    Raises:
        ConfigError: A metric that is not ours.
    """
    return [build(Slot(f"metrics.{name}", "mapga.metrics", "Metric"), node) for name, node in config["metrics"].items()]


def make_prior(node: Mapping[str, Any], dataset: Dataset, seed: int = 0) -> Prior:
    """The prior of a node, no weights read; one that is fitted gets the dataset's training images."""
    fitted = isinstance(node, Mapping) and str(node.get("_target_", "")).endswith(".from_images")
    try:
        given: dict[str, Any] = {"images": from_uint8(dataset.training())} if fitted else {}
    except ValueError as error:
        raise ConfigError(f"prior: {error}") from error
    given |= {"seed": seed, "dataset_classes": dataset.n_classes, "image_shape": dataset.image_shape}
    prior: Prior = build(PRIOR, node, given)
    return prior


def support_matrix(
    config: Mapping[str, Any], dataset: Dataset, prior: Prior
) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """For every (solver, task) of conf: why it cannot serve noiseless, and noisy, measurements; None where it can."""
    solvers = _solvers(config)
    matrix = {}
    for task, node in group("task").items():
        operator: Operator = build(OPERATOR, node["operator"], {"image_shape": dataset.image_shape})
        for name, solver in solvers.items():
            matrix[name, task] = (
                solver.supports(operator, 0.0, prior),
                solver.supports(operator, _SOME_NOISE, prior),
            )
    return matrix


def _able(config: Mapping[str, Any], operator: Operator, sigma_y: float, prior: Prior) -> list[str]:
    return [name for name, solver in _solvers(config).items() if solver.supports(operator, sigma_y, prior) is None]


def _solvers(config: Mapping[str, Any]) -> dict[str, Solver]:
    schedule = build(SCHEDULE, config["schedule"])
    return {name: build(SOLVER, node, {"schedule": schedule}) for name, node in group("solver").items()}


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and (rank := os.environ.get("LOCAL_RANK", "")).isdigit():  # torchrun: a process a GPU
            name = f"cuda:{int(rank) % torch.cuda.device_count()}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device={name!r}: choose auto, cpu, cuda or cuda:<n>") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device={name!r}: no GPU is visible here; use device=cpu or device=auto")
    return device
