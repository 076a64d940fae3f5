"""The path of a datum: batch -> problem -> solve -> round -> store -> record -> score."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from mapga.errors import ConfigError
from mapga.files.durable import remove_leftovers
from mapga.garbage import settled
from mapga.records import Lock, LockedError, Recorded, RunFolder
from mapga.records.documents import rows_text
from mapga.records.journal import Row
from mapga.records.losses import AllLost, Losses
from mapga.records.measured import Measured
from mapga.records.origins import add_origin, other_code
from mapga.records.provenance import provenance
from mapga.records.store import ImageStore
from mapga.run.batch import Restorer, Stores
from mapga.run.job import Job
from mapga.run.machine import machine
from mapga.run.progress import Advance, ProgressDisplay
from mapga.run.scoring import Scorer
from mapga.run.signals import InterruptedRun, Notice, listening
from mapga.run.summary import summarise
from mapga.run.truth import check_data
from mapga.tracking.mirror import Mirror

__all__ = ["refuse_other_code", "run_job"]

_log = logging.getLogger(__name__)


@settled()
def run_job(job: Job, display: ProgressDisplay) -> Mapping[str, Any] | None:
    """Restore what is not yet restored; the summary once every row of every shard is recorded, else None.

    Raises:
        AllLost: Every row is recorded, and no image was restored: the run is not done.
    """
    if job.folder.done:
        return None
    job.folder.open()
    with listening() as notice, job.folder.lock(job.shard) as lock:
        try:
            return _Runner(job, notice, lock).run(display)
        except (ConfigError, InterruptedRun, LockedError):
            raise
        except AllLost as error:
            job.folder.fail(str(error))
            raise
        except Exception:
            with contextlib.suppress(OSError):  # where nothing can be written, the error itself matters more
                job.folder.fail(traceback.format_exc())
            raise


def refuse_other_code(folder: RunFolder) -> None:
    """Refuse to go on with a run in which images are recorded that other sources made.

    Raises:
        ConfigError: They are other sources, and the config does not allow it.
    """
    if folder.begun and not folder.spec.allow_code_change and (other := other_code(folder.path)):
        raise ConfigError(
            f"{folder.run_id} was {other}; redo=true restores all of it again, allow_code_change=true goes on, and "
            "notes both"
        )


class _Runner:
    """A job at work, alone in its shard, told of signals."""

    def __init__(self, job: Job, notice: Notice, lock: Lock) -> None:
        self.job, self.notice, self.lock = job, notice, lock
        self.folder, self.total = job.folder, len(job.dataset)
        self.alone = job.shard.whole  # of several shards the last to finish tells trackers all
        self.scorer = Scorer(job.scoring)
        self.mirror = Mirror(job.trackers)

    def run(self, display: ProgressDisplay) -> Mapping[str, Any] | None:
        try:
            refuse_other_code(self.folder)
            origin = provenance(machine(self.job.device), self.folder.spec.packages)
            check_data(self.folder, self.job.dataset, {} if self.folder.begun else origin)
            add_origin(self.folder.path, origin, anew=self.alone and not self.folder.begun)
            for folder in (self.folder.path, self.folder.problem_path):
                remove_leftovers(folder)
            stores = self._stores()
            self.folder.watch_elsewhere(self.job.shard)
            recorded = self.folder.recorded(self.total)
            if recorded.damaged:
                _log.warning("%s/images.npy: %s damaged, restored again", self.folder.path, rows_text(recorded.damaged))
            worker = Restorer(self.job, stores)
            self._measure_again(worker, recorded)
            self._catch_up(recorded, self.job.shard.rows(self.total))
            if self.alone:
                self._tell_begin(recorded)
            self._restore(worker, recorded, display)
            recorded = self.folder.recorded(self.total)
            return self._finished(recorded) if recorded.complete else None
        finally:
            self.mirror.close()

    def _stores(self) -> Stores:
        """The image files, made where there are none, and of full size."""
        channels, height, width = self.job.dataset.image_shape
        shape = (self.total, height, width, channels)
        measured = Measured(self.folder.problem_path).create(shape)
        known = measured.noted().keys() - measured.damaged(range(self.total))
        return Stores(ImageStore.create(self.folder.path / "images.npy", shape), measured, known)

    def _measure_again(self, worker: Restorer, recorded: Recorded) -> None:
        """Make truth and measurement again of this shard's recorded rows that the problem has lost."""
        mine = [recorded.rows[row] for row in self.job.shard.rows(self.total) if row in recorded.rows]
        lost = [row.row for row in mine if row.status != "failed" and row.row not in worker.stores.known]
        if lost:
            _log.warning("%s: %s measured again", self.folder.problem_path, rows_text(lost))
        for begin in range(0, len(lost), self.job.batch_size):
            worker.measure_again(lost[begin : begin + self.job.batch_size])

    def _catch_up(self, recorded: Recorded, rows: Iterable[int]) -> None:
        """Score those of some rows that were restored and not scored, or under another protocol."""
        self.scorer.catch_up(recorded, rows, lambda images: self.notice.check())

    def _restore(self, worker: Restorer, recorded: Recorded, display: ProgressDisplay) -> None:
        """Restore and record this shard's rows that are not recorded, or could not be read the last time."""
        journal = self.folder.journal(self.job.shard)
        mine = self.job.shard.rows(self.total)
        pending = [row for row in mine if row not in recorded.rows or recorded.rows[row].status == "failed"]
        device, dtype = self.job.device, str(self.job.dtype).removeprefix("torch.")
        _log.info("%s: %d of %d images to do, %d at a time, on %s in %s", self.folder.run_id, len(pending), len(mine),
                  self.job.batch_size, device, dtype)  # fmt: skip
        with display.run(self.folder.run_id, done=len(mine) - len(pending), total=len(mine)) as advance:
            for rows, cost in self._batches(worker, pending, advance):
                self.lock.check()
                self.folder.spent(cost)  # before the rows, so that every row's cost is known
                journal.append(rows)
                done = [row for row in rows if row.status == "done"]
                numbers = dict(zip((row.row for row in done), self.scorer.score(done), strict=True))
                if self.alone:
                    self._tell_rows(rows, numbers)

    def _batches(
        self, worker: Restorer, pending: Sequence[int], advance: Advance
    ) -> Iterator[tuple[list[Row], dict[str, Any]]]:
        """Batch after batch, and what it cost; after an out-of-memory error the batches are half as large."""
        size = self.job.batch_size
        while pending := self._left(pending):
            self.notice.check()
            rows = pending[:size]
            try:
                restored = worker.restore(rows, partial(advance, len(rows) / self.job.solver.n_steps))
            except torch.cuda.OutOfMemoryError:
                if len(rows) == 1:
                    raise
                size = len(rows) // 2
                _log.warning("out of memory with %d images at a time; going on with %d", len(rows), size)
                self.folder.spent({"rows": [], "out_of_memory_with": len(rows), "going_on_with": size})
                continue
            yield restored
            pending = pending[len(rows) :]

    def _left(self, pending: Sequence[int]) -> Sequence[int]:
        """Those that no other division has recorded by now: on some file systems locks are seen late."""
        elsewhere = self.folder.recorded_elsewhere(self.job.shard)
        return [row for row in pending if row not in elsewhere] if elsewhere else pending

    def _finished(self, recorded: Recorded) -> Mapping[str, Any]:
        """Score the whole set, write the summary and the marker, and tell trackers."""
        if (losses := Losses.among(recorded.rows.values())).all:
            raise AllLost(str(losses))
        self._catch_up(recorded, range(self.total))  # what a shard left that was killed before it had scored
        summary = summarise(self.folder, recorded, self.scorer.finish(recorded, lambda images: self.notice.check()))
        self.folder.finish(recorded, summary)
        if not self.alone:
            self._tell_begin(recorded)
        self.mirror.tell("end_run", summary)
        return summary

    def _tell_begin(self, recorded: Recorded) -> None:
        told = {**self.folder.spec.config, "names": dict(self.folder.spec.names)}
        self.mirror.tell("begin_run", self.folder.run_id, told, self.folder.path)
        self._tell_rows(list(recorded.rows.values()), self.folder.numbers(recorded).by_row())

    def _tell_rows(self, rows: Sequence[Row], numbers: Mapping[int, Mapping[str, float | None]]) -> None:
        for row in rows:
            self.mirror.tell("row", {**row.as_dict(), "metrics": numbers.get(row.row, {})})
