"""One batch: measure, solve, round, store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mapga.datasets.base import Item, UnreadableImageError
from mapga.pixels import from_uint8, to_uint8
from mapga.priors.base import Prior
from mapga.problem import Problem, measure
from mapga.records.journal import Row
from mapga.records.measured import Measured
from mapga.records.store import ImageStore, checksum
from mapga.records.trace import append_trace
from mapga.rng import NoiseSource
from mapga.run.job import Job
from mapga.run.meter import Meter, MeteredPrior
from mapga.run.pace import paced
from mapga.run.tracer import Tracer
from mapga.solvers.answering import answering
from mapga.solvers.base import Solver, State

__all__ = ["ABSURD", "Restorer", "Stores", "Worker", "solve"]

_log = logging.getLogger(__name__)
ABSURD = 10.0  # images lie in [-1, 1]: an answer ten times as large is no image, though every pixel of it is a number
_NOTHING = {
    "rows": [],
    "forward": 0,
    "vjp": 0,
    "seconds": 0.0,
    "seconds_network": 0.0,
}  # what a batch without images cost


def solve(
    solver: Solver,
    problem: Problem,
    prior: Prior,
    noise: NoiseSource,
    on_state: Callable[[State], object] = lambda state: None,
) -> tuple[Tensor, Tensor]:
    """Run a solver to its end.

    Returns:
        x: The last state, (B, C, H, W).
        diverged_at: For each image the first step whose state was not finite, or the last if the answer lies beyond
            ``ABSURD``; 0 if neither; int64 (B,), on the device.

    Raises:
        RuntimeError: A solver without states, or whose steps are not 1, 2, ... up to ``n_steps``.
    """
    x, sums = torch.empty(0), None
    with torch.no_grad():
        for k, state in enumerate(solver.iterate(problem, prior, noise)):
            x = state.x
            if sums is None:
                sums = x.new_zeros(solver.n_steps, len(x))
            if state.step != k + 1 or k == len(sums):
                name = f"{type(solver).__name__}: state {k + 1} of n_steps = {len(sums)}"
                raise RuntimeError(f"{name} says that it is step {state.step}")
            sums[k] = x.detach().flatten(1).sum(1)  # NaN and infinity survive it
            on_state(state)
            if state.step < solver.n_steps:
                noise.ahead()
    if sums is None:
        raise RuntimeError(f"{type(solver).__name__} yielded no state")
    broken = ~sums.isfinite()
    broken[-1] |= x.flatten(1).abs().amax(1) > ABSURD
    return x, torch.where(broken.any(0), broken.int().argmax(0) + 1, 0)


@dataclass(frozen=True)
class Stores:
    """The image files of a run: what was restored, and of its problem what was true and what was measured.

    Attributes:
        restored, measured: The files, open for writing.
        known: The rows that the problem has, sound: another solver's run has measured them.
    """

    restored: ImageStore
    measured: Measured
    known: set[int]


class Worker:
    """Solves batches of rows; nothing is written.

    Args:
        job: What it works with.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.operator = job.operator.to(job.device, job.dtype)
        prior = job.prior.to(job.device, job.dtype)
        prior = paced(prior, job.compute, images=job.batch_size, device=job.device, dtype=job.dtype)
        self.prior = answering(prior, job.dataset.image_shape)

    def again(self, rows: Sequence[int]) -> dict[int, np.ndarray]:
        """What solving some rows gives now, uint8 (H, W, C) by row, of those that can be read; nothing is written."""
        items, failed = self._read(rows)
        if not items:
            return {}
        _, clean, problem = self._measured(items)
        x, diverged = self._solve(items, clean, problem, Meter(self.job.device), lambda: None, None)
        return dict(zip((row for row in rows if row not in failed), self._rounded(x, diverged.tolist()), strict=True))

    def _rounded(self, x: Tensor, steps: Sequence[int]) -> np.ndarray:
        """Restored images as they are stored, uint8 (B, H, W, C); those that diverged are black."""
        restored = to_uint8(torch.nan_to_num(x), self.job.rounding)
        restored[[k for k, step in enumerate(steps) if step]] = 0
        return restored

    def _measured(self, items: Sequence[Item]) -> tuple[np.ndarray, Tensor, Problem]:
        """The true images, as stored and as the solver's device sees them, and their measurements."""
        truth = np.stack([item.image for item in items])
        clean = from_uint8(truth).to(self.job.device, self.job.dtype)
        indices = [item.index for item in items]
        return truth, clean, measure(clean, self.operator, self.job.sigma_y, seed=self.job.seed, indices=indices)

    def _solve(
        self,
        items: Sequence[Item],
        clean: Tensor,
        problem: Problem,
        meter: Meter,
        on_step: Callable[[], object],
        tracer: Tracer | None,
    ) -> tuple[Tensor, Tensor]:
        """``solve`` with every pass metered and every state shown to who watches."""
        indices = [item.index for item in items]
        labels = self.prior.labels_for(indices, _labels(items, self.job.device))
        prior = MeteredPrior(self.prior, meter).conditioned(labels)

        def on_state(state: State) -> None:
            on_step()
            if tracer is not None:
                tracer(state)

        # Only the start is drawn around the truth, as sigma n + truth: the solver itself is handed nothing but noise.
        around = clean if self.job.start == "truth" else None
        job, shape = self.job, self.job.dataset.image_shape
        samples = [item.sample for item in items]
        noise = NoiseSource(
            job.seed, indices, shape, device=job.device, dtype=job.dtype, around=around, samples=samples
        )
        return solve(self.job.solver, problem, prior, noise, on_state)

    def _read(self, rows: Sequence[int]) -> tuple[list[Item], dict[int, Row]]:
        """The images of those rows that can be read; for each of the others, by row, what the journal says of it."""
        items, failed = [], {}
        for row in rows:
            try:
                items.append(self.job.dataset[row])
            except UnreadableImageError as error:
                _log.warning("row %d failed: %s; the run goes on", row, error)
                failed[row] = Row(row, self.job.dataset.index(row), None, "failed", None)
        return items, failed


class Restorer(Worker):
    """Restores batches of rows, and has what it made on disk.

    Args:
        job: What it works with.
        stores: Where pixels go.
    """

    def __init__(self, job: Job, stores: Stores) -> None:
        super().__init__(job)
        self.stores = stores

    def restore(self, rows: Sequence[int], on_step: Callable[[], object]) -> tuple[list[Row], dict[str, Any]]:
        """Restore some rows, with their pixels on disk on return; the journal rows, and what it cost."""
        items, failed = self._read(rows)
        if failed:
            self.stores.measured.unreadable(failed)
        rows = [row for row in rows if row not in failed]
        if not rows:
            return list(failed.values()), _NOTHING | {"device": str(self.job.device)}
        truth, clean, problem = self._measured(items)

        meter = Meter(self.job.device)
        tracer = Tracer(from_uint8(truth), meter, problem.operator) if self.job.trace else None
        begun = time.perf_counter()
        x, diverged = self._solve(items, clean, problem, meter, on_step, tracer)
        steps = diverged.tolist()  # waits for the device
        seconds = time.perf_counter() - begun

        restored = self._rounded(x, steps)
        self._keep(rows, truth, problem)
        self.stores.restored.write(rows, restored)
        if tracer is not None:
            append_trace(self.job.folder.path, self.job.shard, tracer.trace(rows))
        cost = {
            "rows": list(rows),
            "forward": meter.forward,
            "vjp": meter.vjp,
            "seconds": seconds,
            "seconds_network": meter.seconds(),
            "device": str(self.job.device),
        }
        return [*_rows(rows, items, steps, restored), *failed.values()], cost

    def measure_again(self, rows: Sequence[int]) -> None:
        """Make what the problem lacks of some rows from the data; nothing is solved."""
        items, failed = self._read(rows)
        if items:
            truth, _, problem = self._measured(items)
            self._keep([row for row in rows if row not in failed], truth, problem)

    def _keep(self, rows: Sequence[int], truth: np.ndarray, problem: Problem) -> None:
        """Put the true images and measurements on disk that the problem does not have."""
        self.stores.measured.mark(self.operator.unseen(problem.y).cpu().numpy())
        places = [k for k, row in enumerate(rows) if row not in self.stores.known]
        if places:
            preview = to_uint8(self.operator.preview(problem.y), self.job.rounding)
            self.stores.measured.write([rows[k] for k in places], truth[places], preview[places])
            self.stores.known.update(rows)


def _rows(rows: Sequence[int], items: Sequence[Item], steps: Sequence[int], restored: np.ndarray) -> list[Row]:
    """What the journal says of restored images; ``steps`` are those at which they diverged, 0 for none."""
    return [
        Row(
            row=row,
            index=item.index,
            label=item.label,
            status="diverged" if step else "done",
            step=step or None,
            crc=checksum(restored[k]),
        )
        for k, (row, item, step) in enumerate(zip(rows, items, steps, strict=True))
    ]


def _labels(items: Iterable[Item], device: torch.device) -> Tensor | None:
    labels = [item.label for item in items]
    known = [label for label in labels if label is not None]
    return torch.tensor(known, device=device) if len(known) == len(labels) else None
