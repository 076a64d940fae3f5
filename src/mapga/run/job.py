"""The path of a datum: batch -> problem -> solve -> round -> store -> score -> record."""

from __future__ import annotations

import contextlib
import json
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from mapga.datasets.base import Dataset
from mapga.errors import ConfigError
from mapga.files.durable import write_json
from mapga.metrics.base import ImageMetric, SetMetric
from mapga.operators.base import Operator
from mapga.pixels import Rounding
from mapga.priors.base import Prior
from mapga.records import WHOLE, Lock, LockedError, Progress, RunFolder, Shard
from mapga.records.journal import Row
from mapga.records.provenance import provenance
from mapga.records.store import ImageStore
from mapga.run.batch import Restorer, Stores
from mapga.run.progress import Advance, Reporter
from mapga.run.set_scores import score_sets
from mapga.run.signals import InterruptedRun, Notice, listening
from mapga.run.summary import summarise
from mapga.solvers.base import Solver
from mapga.tracking.mirror import Mirror
from mapga.tracking.trackers import Tracker

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
        trace: Whether each state's PSNR is noted, for convergence curves.
        start: None: solvers start from noise; ``"truth"``: from the truth plus noise of the schedule's first level.
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
    start: Literal["truth"] | None = None
    trace: bool = False

    @property
    def image_metrics(self) -> list[ImageMetric]:
        return [metric for metric in self.metrics if isinstance(metric, ImageMetric)]

    def run(self, reporter: Reporter) -> Mapping[str, Any] | None:
        """Restore what is not yet restored; the summary once every row of every shard is recorded, else None."""
        if self.folder.done:
            return None
        self.folder.open()
        with listening() as notice, self.folder.lock(self.shard) as lock:
            try:
                return self._run(reporter, notice, lock)
            except (ConfigError, InterruptedRun, LockedError):
                raise
            except Exception:
                with contextlib.suppress(OSError):  # where nothing can be written, the error itself matters more
                    self.folder.fail(traceback.format_exc())
                raise

    def _run(self, reporter: Reporter, notice: Notice, lock: Lock) -> Mapping[str, Any] | None:
        total = len(self.dataset)
        check_data(self.folder, self.dataset, str(self.device))
        channels, height, width = self.dataset.image_shape
        shape = (total, height, width, channels)
        recorded = self.folder.progress(total)
        places = (
            self.folder.path / "images.npy",
            self.folder.problem_path / "truth.npy",
            self.folder.problem_path / "measurement.npy",
        )
        if recorded.rows and (lost := [path for path in places if not path.exists()]):
            raise ConfigError(
                f"{lost[0]} is gone, though {len(recorded.rows)} images of {self.folder.run_id} are in it; put "
                "it back, or move the run's folder away to restore them anew"
            )
        stores = Stores(*(ImageStore.create(path, shape) for path in places))
        journal = self.folder.journal(self.shard)
        mine = self.shard.rows(total)
        pending = [row for row in mine if row not in recorded.rows]
        mirror = Mirror(self.trackers)
        alone = self.shard.whole  # of several shards the last to finish tells all
        try:
            if alone:
                self._tell_start(mirror, recorded)
            worker = Restorer(self, stores)
            with reporter.run(self.folder.run_id, done=len(mine) - len(pending), total=len(mine)) as progress:
                for fresh, cost in self._restored(worker, pending, progress, notice):
                    lock.check()
                    self.folder.spent(cost)  # before the rows, so that every row's cost is known
                    journal.append(fresh)
                    if alone:
                        tell_rows(mirror, fresh)

            recorded = self.folder.progress(total)
            if not recorded.complete:
                return None
            of_sets = [metric for metric in self.metrics if isinstance(metric, SetMetric)]
            directions = {metric.name: metric.lower_is_better for metric in self.metrics}
            distances = score_sets(self.folder, recorded, self.dataset, of_sets)
            summary = summarise(self.folder, recorded, directions, distances)
            self.folder.finish(recorded, summary)
            if not alone:
                self._tell_start(mirror, recorded)
            mirror.tell("finish", summary)
            return summary
        finally:
            mirror.close()

    def _tell_start(self, mirror: Mirror, recorded: Progress) -> None:
        told = self.folder.config | {"names": self.folder.names}
        mirror.tell("start", self.folder.run_id, told, self.folder.path)
        tell_rows(mirror, recorded.rows.values())

    def _restored(
        self, worker: Restorer, pending: Sequence[int], progress: Advance, notice: Notice
    ) -> Iterator[tuple[list[Row], dict[str, Any]]]:
        """Batch after batch, and what it cost; after an out-of-memory error the batches are half as large."""
        size, begin = self.batch_size, 0
        while begin < len(pending):
            notice.check()
            rows = pending[begin : begin + size]
            try:
                restored = worker.restore(rows, partial(progress, len(rows) / self.solver.n_steps))
            except torch.cuda.OutOfMemoryError:
                if len(rows) == 1:
                    raise
                size = len(rows) // 2
                _log.warning("out of memory with %d images at a time; going on with %d", len(rows), size)
                self.folder.spent({"rows": [], "out_of_memory_with": len(rows), "going_on_with": size})
                continue
            yield restored
            begin += len(rows)


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
