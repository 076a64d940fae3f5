"""From a run's spec to the job it stands for: every component built and checked, nothing written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch

from mapga.config.compose import of_group
from mapga.config.files import options
from mapga.datasets.base import Dataset
from mapga.errors import ConfigError, Unsupported
from mapga.files.need import missing
from mapga.metrics.base import Metric, SetMetric
from mapga.metrics.sampled import SpreadMetric
from mapga.metrics.sequence import SequenceMetric, sequences
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node
from mapga.operators.base import Operator
from mapga.pixels import from_uint8, sigma_to_sym
from mapga.posteriors.exact import objection
from mapga.priors.base import Prior
from mapga.records import WHOLE, RunFolder, Shard
from mapga.records.store import ImageStore
from mapga.run.job import Job
from mapga.run.machine import device_of
from mapga.run.repeated import Repeated
from mapga.run.scoring import Scoring
from mapga.solvers.base import Solver
from mapga.spec import RunSpec
from mapga.tracking.base import Tracker

__all__ = ["dataset_of", "make_dataset", "make_job", "make_prior", "make_scoring", "make_trackers", "support_matrix"]

_SOME_NOISE = 0.05  # a usual sigma_y, for asking what a solver supports
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


_log = logging.getLogger(__name__)


def make_job(spec: RunSpec) -> Job:
    """Build and check everything a run needs; nothing is written, and no weights are read before all is checked.

    Raises:
        ConfigError: The first thing that is wrong.
        Unsupported: The solver cannot serve the task.
    """
    shard, sigma_y = _numbers(spec)
    device = device_of(spec.device, spec.dtype)
    trackers = make_trackers(spec.trackers)
    solver: Solver = spec.node(SOLVER).build({"schedule": spec.node(SCHEDULE).build()})
    metrics: list[Metric] = [node.build() for node in spec.metrics.values()]
    if absent := missing(spec.needs()):
        raise ConfigError(absent)
    dataset = make_dataset(spec)
    operator: Operator = spec.node(OPERATOR).build({"image_shape": dataset.image_shape})
    prior = make_prior(spec, dataset)
    _check_fit(spec, dataset, prior, solver, metrics)
    _check_posterior(metrics, operator, prior if dataset.prior is None else dataset.prior)
    if reason := solver.supports(operator, sigma_y, prior):
        able = [name for name, one in _solvers(spec).items() if one.supports(operator, sigma_y, prior) is None]
        raise Unsupported(
            f"solver={spec.names['solver']} cannot serve task={spec.names['task']} with sigma_y={sigma_y:g} and "
            f"prior={spec.names['prior']}: {reason} (supported here: {', '.join(able)})"
        )
    if warning := solver.caution(sigma_y, prior):
        _log.warning("%s: solver=%s: %s", spec.run_id, spec.names["solver"], warning)
    return Job(
        folder=RunFolder(spec),
        dataset=dataset,
        operator=operator,
        sigma_y=sigma_y,
        prior=prior.loaded(),
        solver=solver,
        metrics=[metric.to(device) for metric in metrics],
        trackers=trackers,
        seed=spec.seed,
        batch_size=spec.batch_size,
        device=device,
        dtype=_DTYPES[spec.dtype],
        compute=spec.compute,  # type: ignore[arg-type]  # RunSpec.of has checked it
        shard=shard,
        rounding=spec.rounding,  # type: ignore[arg-type]  # RunSpec.of has checked it
        start=spec.start,  # type: ignore[arg-type]
        trace=spec.trace,
    )


def make_scoring(run: RunFolder) -> Scoring:
    """Build and check what a restored run is scored with: not its solver, and its prior only for an exact posterior.

    Raises:
        ConfigError: The first thing that is wrong; pixels that are gone.
    """
    spec = run.spec
    _, height, width, channels = ImageStore.open(run.path / "images.npy").shape
    shape, device = (channels, height, width), device_of(spec.device, spec.dtype)
    metrics: list[Metric] = [node.build() for node in spec.metrics.values()]
    if absent := missing([need for metric in metrics for need in metric.needs()]):
        raise ConfigError(absent)
    labelled = any(row.label is not None for row in run.journal(WHOLE).rows())
    operator: Operator = spec.node(OPERATOR).build({"image_shape": shape})
    trained = any(isinstance(metric, SetMetric) and metric.reference == "training" for metric in metrics)
    exact = any(metric.needs_posterior for metric in metrics)
    asked = [spec.node(slot) for slot, wanted in ((DATASET, trained or exact), (PRIOR, exact)) if wanted]
    if absent := missing([need for node in asked for need in node.card.files(node.namespace)]):
        raise ConfigError(absent)
    prior = _truths_prior(spec) if exact else None
    _check_metrics(spec, metrics, shape, labelled=labelled)
    _check_posterior(metrics, operator, prior)
    return Scoring(
        folder=run,
        metrics=[metric.to(device) for metric in metrics],
        operator=operator,
        sigma_y=_numbers(spec)[1],
        training=lambda: make_dataset(spec).training(),
        prior=prior,
        seed=spec.seed,
        batch_size=spec.batch_size,
        dtype=_DTYPES[spec.dtype],
    )


def make_dataset(spec: RunSpec) -> Dataset:
    """The dataset of a run, each image as often as it is restored."""
    images = dataset_of(spec.node(DATASET), spec.seed)
    return images if spec.samples == 1 else Repeated(images, spec.samples)


def dataset_of(node: Node, seed: int) -> Dataset:
    """One that is drawn from a prior gets that, fitted on its base's training images."""
    parts: dict[str, Any] = {}
    if node.card.parts:
        parts["base"] = dataset_of(node.arguments["base"], seed)
        parts["prior"] = _prior(node.arguments["prior"], parts["base"], seed)
    dataset: Dataset = node.build(parts)
    return dataset


def make_trackers(nodes: Mapping[str, Node]) -> list[Tracker]:
    """Trackers that have been asked whether they can work.

    Raises:
        ConfigError: One that cannot, or a wrong key.
    """
    trackers: list[Tracker] = [node.build() for node in nodes.values()]
    for tracker in trackers:
        try:
            tracker.check()
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return trackers


def make_prior(spec: RunSpec, dataset: Dataset) -> Prior:
    """The prior of a run, no weights read; one that is fitted gets the dataset's training images."""
    return _prior(spec.node(PRIOR), dataset, spec.seed)


def _prior(node: Node, dataset: Dataset, seed: int) -> Prior:
    given: dict[str, Any] = {"seed": seed, "image_shape": dataset.image_shape}
    given |= {"dataset_classes": dataset.n_classes}
    if "images" in node.card.given:
        try:
            given["images"] = from_uint8(dataset.training())
        except ValueError as error:
            raise ConfigError(f"prior: {error}") from error
    prior: Prior = node.build(given)
    return prior


def _truths_prior(spec: RunSpec) -> Prior:
    """The prior that the truths are drawn from; the run's own where they are pictures."""
    dataset = make_dataset(spec)
    return make_prior(spec, dataset) if dataset.prior is None else dataset.prior


def support_matrix(
    spec: RunSpec, dataset: Dataset, prior: Prior
) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """For every (solver, task) of conf: why it cannot serve noiseless, and noisy, measurements; None where it can."""
    solvers = _solvers(spec)
    matrix: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for task in options("task"):
        try:
            node = Node.read(OPERATOR, of_group("task", task, spec).get("operator"))
            operator: Operator = node.build({"image_shape": dataset.image_shape})
        except ConfigError as error:  # none for images of this shape
            matrix |= {(name, task): (f"task={task}: {error}",) * 2 for name in solvers}
            continue
        for name, solver in solvers.items():
            matrix[name, task] = (
                solver.supports(operator, 0.0, prior),
                solver.supports(operator, _SOME_NOISE, prior),
            )
    return matrix


def _solvers(spec: RunSpec) -> dict[str, Solver]:
    """Every solver that has a file and can be made of it alone, on the run's schedule."""
    schedule, found = spec.node(SCHEDULE).build(), {}
    for name in options("solver"):
        with suppress(ConfigError):  # one of another package may be broken, or want more: doctor says so
            found[name] = Node.read(SOLVER, of_group("solver", name, spec)).build({"schedule": schedule})
    return found


def _numbers(spec: RunSpec) -> tuple[Shard, float]:
    """The shard, and sigma_y on [-1, 1]."""
    try:
        return Shard.parse(spec.shard), sigma_to_sym(spec.sigma_y, spec.sigma_y_unit)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"task.{error}" if str(error).startswith("sigma") else str(error)) from error


def _check_fit(spec: RunSpec, dataset: Dataset, prior: Prior, solver: Solver, metrics: Sequence[Metric]) -> None:
    _check_metrics(spec, metrics, dataset.image_shape, labelled=dataset.n_classes is not None)
    for metric in metrics:
        if isinstance(metric, SequenceMetric) and not sequences(_indices(dataset), metric.frames):
            raise ConfigError(
                f"metrics.{metric.name}: dataset={spec.names['dataset']} has no sequence with all of its "
                f"{metric.frames} frames among the {len(dataset)} images chosen; choose more (dataset.limit), in their "
                f"order, or fewer frames (metrics.{metric.name}.frames)"
            )
    if prior.image_shape != dataset.image_shape:
        raise ConfigError(
            f"prior={spec.names['prior']} is for images of {prior.image_shape}, dataset={spec.names['dataset']} has "
            f"{dataset.image_shape}; choose the prior that belongs to the dataset"
        )
    if spec.start == "truth" and not solver.starts_from_noise:
        raise Unsupported(
            f"start=truth: solver={spec.names['solver']} makes its start of the measurement too, so that there is no "
            "one noised image to start from; drop start=truth, or choose map_ga or pgdm"
        )


def _indices(dataset: Dataset) -> list[int]:
    return [dataset.index(position) for position in range(len(dataset))]


def _check_metrics(
    spec: RunSpec, metrics: Sequence[Metric], image_shape: tuple[int, int, int], *, labelled: bool
) -> None:
    for metric in metrics:
        if isinstance(metric, SpreadMetric) and spec.samples < 2:
            raise ConfigError(
                f"metrics.{metric.name} compares several samples of each measurement, and samples={spec.samples} makes "
                "one; choose samples=100, or metrics=posterior"
            )
        if isinstance(metric, SetMetric) and spec.samples > 1:
            raise ConfigError(
                f"metrics.{metric.name} compares a set of images, and samples={spec.samples} makes as many of each; "
                "choose samples=1, or metrics=spread"
            )
        if isinstance(metric, SequenceMetric) and spec.samples > 1:
            raise ConfigError(
                f"metrics.{metric.name} compares frames of sequences, and samples={spec.samples} makes as many of "
                "each; choose samples=1"
            )
    if wrong := [why for one in metrics if (why := one.objection(image_shape, labelled=labelled))]:
        raise ConfigError(f"metrics.{wrong[0]}")


def _check_posterior(metrics: Sequence[Metric], operator: Operator, prior: Prior | None) -> None:
    asking = [metric.name for metric in metrics if metric.needs_posterior]
    if asking and prior is not None and (wrong := objection(operator, prior)):
        raise ConfigError(f"metrics.{asking[0]} compares with the exact posterior: {wrong}")
