"""What a network pass takes on this machine, for a plan of which no run is done yet: solvers at work for a moment."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mapga.commands.plan import Planned
from mapga.run.assemble import make_job
from mapga.run.batch import Worker
from mapga.spec import RunSpec

__all__ = ["timed"]

_STEPS = 2
_LONG = 1.0  # seconds that a solve takes to be a measurement


def timed(runs: Sequence[Planned]) -> dict[tuple[str, ...], float]:
    """Seconds of a pass of an image for each ``Planned.like`` of which passes are left. Nothing is written.

    Raises:
        ConfigError, Unsupported: As ``make_job``.
    """
    found: dict[tuple[str, ...], float] = {}
    for run in runs:
        if run.images_left != 0 and run.passes and run.like not in found:
            found[run.like] = _seconds(run.spec)
    return found


def _seconds(spec: RunSpec) -> float:
    """Of the first batch, or of as much of it as takes long enough."""
    short = {"schedule": {**spec.config["schedule"], "steps": _STEPS}, "metrics": {}, "tracker": {}, "shard": "0/1"}
    brief = RunSpec({**spec.config, **short}, spec.names)
    job = make_job(brief)
    worker, most, images = Worker(job), min(job.batch_size, len(job.dataset)), 1
    while True:
        begun = time.perf_counter()
        worker.again(range(images))
        seconds = time.perf_counter() - begun
        if seconds > _LONG or images == most:
            return seconds / (images * brief.passes)
        images = min(2 * images, most)
