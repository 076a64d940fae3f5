"""From a run's spec to the job it stands for: every component built and checked, nothing written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch

from mapga.datasets.base import Dataset
from mapga.errors import ConfigError, Unsupported
from mapga.files.need import missing
from mapga.metrics.base import Metric, SetMetric
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node
from mapga.operators.base import Operator
from mapga.pixels import from_uint8, sigma_to_sym
from mapga.priors.base import Prior
from mapga.records import WHOLE, RunFolder, Shard
from mapga.records.store import ImageStore
from mapga.run.fit import check_fit, check_metrics, check_posterior
from mapga.run.job import Job
from mapga.run.machine import device_of
from mapga.run.repeated import Repeated
from mapga.run.scoring import Scoring
from mapga.run.support import solvers_of
from mapga.solvers.base import Solver
from mapga.spec import RunSpec
from mapga.tracking.base import Tracker

__all__ = ["dataset_of", "make_dataset", "make_job", "make_prior", "make_scoring", "make_trackers"]

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
    check_fit(spec, dataset, prior, solver, metrics)
    check_posterior(metrics, operator, prior if dataset.prior is None else dataset.prior)
    if reason := solver.supports(operator, sigma_y, prior):
        able = [name for name, one in solvers_of(spec).items() if one.supports(operator, sigma_y, prior) is None]
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
    check_metrics(spec, metrics, shape, labelled=labelled)
    check_posterior(metrics, operator, prior)
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


def _numbers(spec: RunSpec) -> tuple[Shard, float]:
    """The shard, and sigma_y on [-1, 1]."""
    try:
        return Shard.parse(spec.shard), sigma_to_sym(spec.sigma_y, spec.sigma_y_unit)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"task.{error}" if str(error).startswith("sigma") else str(error)) from error
