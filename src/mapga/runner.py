"""The path of a datum: batch -> problem -> solve -> round -> store -> score -> record."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from mapga.components import ConfigError
from mapga.datasets.base import Dataset
from mapga.metrics.base import ImageMetric, SetMetric
from mapga.mirror import Mirror
from mapga.operators.base import Operator
from mapga.pixels import Rounding
from mapga.priors.base import Prior
from mapga.progress import Reporter
from mapga.records import WHOLE, ImageStore, RunFolder, Shard
from mapga.records.files import write_json
from mapga.records.journal import Row
from mapga.records.provenance import provenance
from mapga.restore import Restorer, Stores
from mapga.set_scores import score_sets
from mapga.solvers.base import Solver
from mapga.summary import summarise
from mapga.trackers import Tracker

__all__ = ["Job", "check_data"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """Everything a run needs, built and checked.

    Attributes:
        folder: Where it is recorded.
        dataset, operator, sigma_y, prior, solver, metrics, trackers: The components; sigma_y on [-1, 1].
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
    trackers: Sequence[Tracker]
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
        mirror = Mirror(self.trackers)
        try:
            told = self.folder.config | {"names": self.folder.names}
            mirror.tell("start", self.folder.run_id, told, self.folder.path)
            tell_rows(mirror, recorded.rows.values())

            worker = Restorer(self, stores)
            with reporter.run(self.folder.run_id, done=len(mine) - len(pending), total=len(mine)) as progress:
                for rows in _batches(pending, self.batch_size):
                    share = len(rows) / self.solver.n_steps
                    fresh, cost = worker.restore(rows, partial(progress, share))
                    self.folder.spent(cost)  # before the rows, so that every row's cost is known
                    journal.append(fresh)
                    tell_rows(mirror, fresh)

            recorded = self.folder.progress(total)
            if not recorded.complete:
                return None
            of_sets = [metric for metric in self.metrics if isinstance(metric, SetMetric)]
            directions = {metric.name: metric.lower_is_better for metric in self.metrics}
            distances = score_sets(self.folder, recorded, self.dataset, of_sets)
            summary = summarise(self.folder, recorded, directions, distances)
            self.folder.finish(recorded, summary)
            mirror.tell("finish", summary)
            return summary
        finally:
            mirror.close()


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


def tell_rows(mirror: Mirror, rows: Iterable[Row]) -> None:
    """Have trackers hear of recorded images."""
    for row in rows:
        mirror.tell("row", row.as_dict())


def _batches(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(rows), size):
        yield list(rows[begin : begin + size])
