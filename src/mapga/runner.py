"""The path of a datum: batch -> problem -> solve -> round -> store -> score -> record."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mapga.components import ConfigError
from mapga.datasets.base import Dataset, Item, UnreadableImageError
from mapga.metered import Meter, MeteredPrior
from mapga.metrics.base import ImageMetric, Scored, SetMetric
from mapga.operators.base import Operator
from mapga.pixels import Rounding, from_uint8, to_uint8
from mapga.priors.base import Prior
from mapga.problem import Problem, measure
from mapga.progress import Reporter
from mapga.records import WHOLE, ImageStore, RunFolder, Shard
from mapga.records.files import write_json
from mapga.records.journal import Row
from mapga.records.provenance import provenance
from mapga.rng import NoiseSource
from mapga.set_scores import score_sets
from mapga.solvers.base import Solver
from mapga.summary import summarise
from mapga.trackers import Tracker

__all__ = ["Job", "check_data", "solve"]

_log = logging.getLogger(__name__)
_NOTHING = {
    "rows": [],
    "forward": 0,
    "vjp": 0,
    "seconds": 0.0,
    "seconds_network": 0.0,
}  # what a batch without images cost


@dataclass(frozen=True)
class Job:
    """Everything a run needs, built and checked.

    Attributes:
        folder: Where it is recorded.
        dataset, operator, sigma_y, prior, solver, metrics, tracker: The components; sigma_y on [-1, 1].
        seed: Of all noise.
        batch_size: Images solved together, >= 1.
        device, dtype: Where and in what the solver computes.
        shard: The rows this process works on.
        rounding: How restored images become uint8.
    """

    folder: RunFolder
    dataset: Dataset
    operator: Operator
    sigma_y: float
    prior: Prior
    solver: Solver
    metrics: Sequence[ImageMetric | SetMetric]
    tracker: Tracker
    seed: int = 0
    batch_size: int = 32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    shard: Shard = WHOLE
    rounding: Rounding = "round"

    @property
    def image_metrics(self) -> list[ImageMetric]:
        return [metric for metric in self.metrics if isinstance(metric, ImageMetric)]

    def run(self, reporter: Reporter) -> Mapping[str, Any] | None:
        """Restore what is not yet restored; the summary once every row of every shard is recorded, else None."""
        if self.folder.done:
            return None
        self.folder.open()
        with self.folder.lock(self.shard):
            try:
                return self._run(reporter)
            except ConfigError:
                raise
            except Exception:
                self.folder.fail(traceback.format_exc())
                raise

    def _run(self, reporter: Reporter) -> Mapping[str, Any] | None:
        total = len(self.dataset)
        check_data(self.folder, self.dataset, str(self.device))
        channels, height, width = self.dataset.image_shape
        shape = (total, height, width, channels)
        stores = Stores(
            ImageStore.create(self.folder.path / "images.npy", shape),
            ImageStore.create(self.folder.problem_path / "truth.npy", shape),
            ImageStore.create(self.folder.problem_path / "measurement.npy", shape),
        )
        journal = self.folder.journal(self.shard)
        recorded = self.folder.progress(total)
        mine = self.shard.rows(total)
        pending = [row for row in mine if row not in recorded.rows]
        mirror = _Mirror(self.tracker)
        mirror.tell("start", self.folder.run_id, self.folder.config, self.folder.path)
        for row in recorded.rows.values():
            mirror.tell("row", row.as_dict())

        worker = _Worker(self, stores)
        with reporter.run(self.folder.run_id, done=len(mine) - len(pending), total=len(mine)) as progress:
            for rows in _batches(pending, self.batch_size):
                share = len(rows) / self.solver.n_steps
                fresh, cost = worker.restore(rows, lambda share=share: progress(share))
                self.folder.spent(cost)  # before the rows, so that every row's cost is known
                journal.append(fresh)
                for row in fresh:
                    mirror.tell("row", row.as_dict())

        recorded = self.folder.progress(total)
        if not recorded.complete:
            return None
        of_sets = [metric for metric in self.metrics if isinstance(metric, SetMetric)]
        directions = {metric.name: metric.lower_is_better for metric in self.metrics}
        summary = summarise(self.folder, recorded, directions, score_sets(self.folder, recorded, self.dataset, of_sets))
        self.folder.finish(recorded, summary)
        mirror.tell("finish", summary)
        return summary


@dataclass(frozen=True)
class Stores:
    """The image files of a run: what was restored, and of its problem what was true and what was measured."""

    restored: ImageStore
    truth: ImageStore
    measurement: ImageStore


class _Worker:
    """Restores batches of rows."""

    def __init__(self, job: Job, stores: Stores) -> None:
        self.job, self.stores = job, stores
        self.operator = job.operator.to(job.device, job.dtype)
        self.prior = job.prior.to(job.device, job.dtype)
        self.scoring = job.operator.to("cpu", torch.float64)

    def restore(self, rows: Sequence[int], on_step: Any) -> tuple[list[Row], dict[str, Any]]:
        """Restore some rows, with their pixels on disk on return; the journal rows, and what it cost."""
        job = self.job
        items, failed = self._read(rows)
        rows = [row for row in rows if row not in failed]
        if not rows:
            return list(failed.values()), _NOTHING | {"device": str(job.device)}
        indices = [item.index for item in items]
        truth = np.stack([item.image for item in items])
        clean = from_uint8(truth)
        problem = measure(clean.to(job.device, job.dtype), self.operator, job.sigma_y, seed=job.seed, indices=indices)

        meter = Meter(job.device)
        labels = self.prior.labels_for(indices, _labels(items, job.device))
        prior = MeteredPrior(self.prior, meter).conditioned(labels)
        begun = time.perf_counter()
        with NoiseSource(job.seed, indices, job.dataset.image_shape, device=job.device, dtype=job.dtype) as noise:
            x, diverged_at = solve(job.solver, problem, prior, noise, on_step)
        steps = diverged_at.tolist()  # waits for the device
        seconds = time.perf_counter() - begun

        restored = to_uint8(torch.nan_to_num(x), job.rounding)
        restored[[k for k, step in enumerate(steps) if step]] = 0
        self.stores.truth.write(rows, truth)
        self.stores.measurement.write(rows, to_uint8(self.operator.preview(problem.y), job.rounding))
        self.stores.restored.write(rows, restored)

        numbers = self._score(restored, truth, items, problem)
        records = [
            Row(
                row=row,
                index=item.index,
                label=item.label,
                status="diverged" if step else "done",
                step=step or None,
                metrics={} if step else {name: _plain(values[k]) for name, values in numbers.items()},
            )
            for k, (row, item, step) in enumerate(zip(rows, items, steps, strict=True))
        ]
        cost = {
            "rows": list(rows),
            "forward": meter.forward,
            "vjp": meter.vjp,
            "seconds": seconds,
            "seconds_network": meter.seconds(),
            "device": str(job.device),
        }
        return [*records, *failed.values()], cost

    def _read(self, rows: Sequence[int]) -> tuple[list[Item], dict[int, Row]]:
        """The images of those rows that can be read; for each of the others, by row, what the journal says of it."""
        items, failed = [], {}
        for row in rows:
            try:
                items.append(self.job.dataset[row])
            except UnreadableImageError as error:
                _log.warning("row %d failed: %s; the run goes on", row, error)
                failed[row] = Row(row, self.job.dataset.index(row), None, "failed", None, {})
        return items, failed

    def _score(
        self, restored: np.ndarray, truth: np.ndarray, items: Sequence[Item], problem: Problem
    ) -> dict[str, np.ndarray]:
        labels = [item.label for item in items]
        known = None if any(label is None for label in labels) else np.array(labels, dtype=np.int64)
        exact = Problem(problem.y.cpu().double(), self.scoring, problem.sigma_y)
        scored = Scored(restored, truth, known, exact)
        return {metric.name: metric(scored) for metric in self.job.image_metrics}


def check_data(folder: RunFolder, dataset: Dataset, device: str = "") -> None:
    """Write down what a run and its problem are begun with; refuse to go on with other images.

    Raises:
        ConfigError: The run, or another run of its problem, was begun with other images.
    """
    now = dataset.fingerprint()
    for place in (folder.path, folder.problem_path):
        path = place / "provenance.json"
        if not path.exists():
            write_json(path, provenance(device) | {"dataset": now})
        elif (before := json.loads(path.read_text()).get("dataset")) != now:
            raise ConfigError(
                f"{place} was begun with other images (fingerprint {str(before)[:12]}, now {now[:12]}); "
                "use another results_dir, or restore the data"
            )


def solve(
    solver: Solver, problem: Problem, prior: Prior, noise: NoiseSource, on_step: Any = lambda: None
) -> tuple[Tensor, Tensor]:
    """Run a solver to its end.

    Returns:
        x: The last state, (B, C, H, W).
        diverged_at: For each image the first step whose state was not finite, 0 if none, int64 (B,), on the device.
    """
    x, diverged_at = torch.empty(0), None
    with torch.no_grad():
        for state in solver.iterate(problem, prior, noise):
            x = state.x
            broken = ~x.isfinite().flatten(1).all(1)
            if diverged_at is None:
                diverged_at = torch.zeros(len(x), dtype=torch.int64, device=x.device)
            diverged_at = torch.where(broken & (diverged_at == 0), state.step, diverged_at)
            on_step()
    if diverged_at is None:
        raise RuntimeError(f"{type(solver).__name__} yielded no state")
    return x, diverged_at


class _Mirror:
    """A tracker whose troubles are noted once and never stop a run."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker, self.silenced = tracker, False

    def tell(self, event: str, *arguments: Any) -> None:
        if self.silenced:
            return
        try:
            getattr(self.tracker, event)(*arguments)
        except Exception as error:
            self.silenced = True
            _log.warning("tracker %s stopped at %s: %s; the run goes on", type(self.tracker).__name__, event, error)


def _batches(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(rows), size):
        yield list(rows[begin : begin + size])


def _labels(items: Iterable[Item], device: torch.device) -> Tensor | None:
    labels = [item.label for item in items]
    known = [label for label in labels if label is not None]
    return torch.tensor(known, device=device) if len(known) == len(labels) else None


def _plain(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return float(value) if np.isfinite(value) else None
