"""What is left of a run, done: everything, what was lost, or numbers alone."""

from __future__ import annotations

import logging
import traceback

from mapga.commands.outcome import Outcome, ended, wrong
from mapga.errors import ConfigError, bad_input
from mapga.files.writable import check_writable
from mapga.records import RunFolder
from mapga.records.documents import read_summary
from mapga.records.origins import other_code
from mapga.records.protocol import unscored
from mapga.run.assemble import make_job
from mapga.run.job import Job
from mapga.run.progress import ProgressDisplay
from mapga.run.rescore import rescore
from mapga.run.runner import refuse_other_code, run_job
from mapga.run.signals import Notice
from mapga.run.truth import check_data

__all__ = ["worked"]

_log = logging.getLogger(__name__)


def worked(run: RunFolder, notice: Notice) -> Outcome:
    """Do what is left of a run, and say how it ended.

    Raises:
        Exception: Whatever a job can cause.
    """
    check_writable("results_dir", run.spec.results_dir)
    notice.check()
    if run.done and not run.spec.redo:
        if found := wrong(run, {}):
            refuse_other_code(run)
            run.reopen()
            _log.warning("%s was finished, but: %s; what is lost is made again", run.path, "; ".join(found))
        elif unscored(read_summary(run.path), run.spec.metrics):
            rescore(run, ProgressDisplay())
            return ended(run)
    job = _made(run)
    if run.spec.redo:
        _make_way(job)
    run_job(job, ProgressDisplay())
    return ended(run) if run.done else Outcome("partial", str(run.path))


def _make_way(job: Job) -> None:
    """Move aside what ``redo=true`` does again: a finished run, or one that other sources began.

    One that these sources began goes on, so that the same command can be interrupted and started again.

    Raises:
        ConfigError: Other images, or a shard.
    """
    run = job.folder
    if not (run.done or (run.begun and other_code(run.path))):
        return
    if not job.shard.whole:
        raise ConfigError(
            f"redo=true: one of several shards cannot begin anew for the others; move {run.path} away, or run it whole"
        )
    check_data(run, job.dataset)
    _log.warning("%s is kept as %s", run.run_id, run.set_aside())


def _made(run: RunFolder) -> Job:
    """The job of a run; an error that is nobody's bad input leaves its traceback in the run's folder."""
    try:
        return make_job(run.spec)
    except Exception as error:
        if not bad_input(error):
            run.open()
            run.fail(traceback.format_exc())
        raise
