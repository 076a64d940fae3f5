"""Whether what a run is made of fits together."""

from __future__ import annotations

from collections.abc import Sequence

from mapga.datasets.base import Dataset
from mapga.errors import ConfigError, Unsupported
from mapga.metrics.base import Metric, SetMetric
from mapga.metrics.sampled import SpreadMetric
from mapga.metrics.sequence import SequenceMetric, sequences
from mapga.operators.base import Operator
from mapga.posteriors.exact import objection
from mapga.priors.base import Prior
from mapga.solvers.base import Solver
from mapga.spec import RunSpec

__all__ = ["check_fit", "check_metrics", "check_posterior"]


def check_fit(spec: RunSpec, dataset: Dataset, prior: Prior, solver: Solver, metrics: Sequence[Metric]) -> None:
    check_metrics(spec, metrics, dataset.image_shape, labelled=dataset.n_classes is not None)
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


def check_metrics(
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


def check_posterior(metrics: Sequence[Metric], operator: Operator, prior: Prior | None) -> None:
    asking = [metric.name for metric in metrics if metric.needs_posterior]
    if asking and prior is not None and (wrong := objection(operator, prior)):
        raise ConfigError(f"metrics.{asking[0]} compares with the exact posterior: {wrong}")
