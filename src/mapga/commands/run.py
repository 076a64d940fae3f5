"""``mapga run``: one config to one finished run."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from mapga.commands.unforeseen import unforeseen
from mapga.datasets.base import Dataset
from mapga.errors import ConfigError, bad_input, told
from mapga.files.writable import check_writable
from mapga.records import LockedError, RunFolder
from mapga.records.audit import damages
from mapga.records.collect import UNREADABLE, read_run
from mapga.records.documents import read_summary, rows_text
from mapga.records.losses import AllLost, Losses
from mapga.records.origins import other_code
from mapga.records.recorded import Recorded, read_recorded
from mapga.run.assemble import Unsupported, make_dataset, make_job
from mapga.run.job import Job
from mapga.run.progress import ProgressDisplay
from mapga.run.runner import check_data, refuse_other_code, run_job
from mapga.run.signals import InterruptedRun, Notice, listening
from mapga.run.truth import readable
from mapga.spec import RunSpec, digest

__all__ = ["Outcome", "ended", "finished", "run_one"]

_log = logging.getLogger(__name__)

_Ending = TypeVar("_Ending", bound="Outcome | None")


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: ``"done"``; ``"lossy"``: done, but for images that were lost; ``"partial"``: this shard is done, others
            are not; ``"skipped"``: the solver cannot serve the task; ``"refused"``: bad input; ``"interrupted"``: a
            signal asked to stop, and the same command goes on; ``"locked"``: another process works on it;
            ``"failed"``: no image was restored, or an error, whose traceback lies in the run's folder.
        folder: The run's folder; empty if it has none.
        message: One line for a person.
        warning: Another, of a result that stands and should be known for what it is.
        value: Its objective, where it has one and is done: one that lost images is no candidate of a search.
        before: Whether it was finished before, so that nothing was to be done.
    """

    status: Literal["done", "lossy", "partial", "skipped", "refused", "interrupted", "locked", "failed"]
    folder: str
    message: str = ""
    warning: str = ""
    value: float | None = None
    before: bool = False

    def __float__(self) -> float:
        """What a sweeper that searches is told.

        Raises:
            ValueError: There is no value.
        """
        if self.value is None:
            raise ValueError(self.message or f"{self.folder} has no objective; set objective to one of its metrics")
        return self.value


def run_one(spec: RunSpec) -> Outcome:
    """Run it, or what is left of it. Raises nothing that a job can cause."""
    with listening() as notice:
        if (before := finished(spec)) is not None:
            return before
        return _guarded(spec, lambda run: _worked(run, notice))


def finished(spec: RunSpec, datasets: dict[str, Dataset] | None = None) -> Outcome | None:
    """How a run ended that was finished before; None if it was not. Raises nothing that a job can cause.

    One of which something has been damaged since is not finished, nor is any with ``redo=true``.

    Args:
        spec: The run.
        datasets: Those that were looked at already, by digest, for many runs of the same images.
    """
    known = {} if datasets is None else datasets

    def look(run: RunFolder) -> Outcome | None:
        if not run.done or _wrong(run, known):
            return None
        return replace(ended(run), warning=_outdated(run), before=True)

    return None if spec.redo else _guarded(spec, look)


def _worked(run: RunFolder, notice: Notice) -> Outcome:
    check_writable("results_dir", run.spec.results_dir)
    if run.done and not run.spec.redo and (wrong := _wrong(run, {})):
        refuse_other_code(run)
        run.reopen()
        _log.warning("%s was finished, but: %s; what is lost is made again", run.path, "; ".join(wrong))
    notice.check()
    job = _made(run)
    if run.spec.redo:
        _make_way(job)
    run_job(job, ProgressDisplay())
    return ended(run) if run.done else Outcome("partial", str(run.path))


def _guarded(spec: RunSpec, work: Callable[[RunFolder], _Ending]) -> _Ending | Outcome:
    """What came of some work on a run, whatever it raised."""
    run, folder = RunFolder(spec), str(spec.folder)
    try:
        return work(run)
    except Unsupported as error:
        return Outcome("skipped", folder, str(error))
    except InterruptedRun as error:
        return Outcome("interrupted", folder, str(error))
    except LockedError as error:
        return Outcome("locked", folder, str(error))
    except AllLost as error:
        return Outcome("failed", folder, str(error))
    except Exception as error:
        line = told(error) or unforeseen(error, run.path / "error.txt")
        return Outcome("refused" if bad_input(error) else "failed", folder, line)


def ended(run: RunFolder) -> Outcome:
    """What became of a run that has its marker: done, or done without the images that it lost."""
    summary = read_summary(run.path)
    if (losses := Losses.told(summary)).lost:
        says = f"{losses}; {run.path.name}/journal.jsonl says which"
        return Outcome("failed" if losses.all else "lossy", str(run.path), says)
    mean = None if run.spec.objective is None else summary["metrics"][run.spec.objective]["mean"]
    return Outcome("done", str(run.path), value=None if mean is None else float(mean))


def _outdated(run: RunFolder) -> str:
    """That a finished run is of other sources than today's, or ""."""
    other = other_code(run.path)
    return f"{run.run_id} was {other}, and its numbers are theirs; redo=true runs it again" if other else ""


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


def _wrong(run: RunFolder, datasets: dict[str, Dataset]) -> list[str]:
    """What has become of a finished run since: damaged files, and pictures that could not be read and now can.

    Args:
        run: The run.
        datasets: Those that were made already, by digest; one that is not is added.

    Raises:
        ConfigError: It was begun with other images.
    """
    wrong = damages(run.path, run.problem_path, quick=True)
    try:
        read_run(run.path)
    except UNREADABLE:
        wrong.append("config.yaml cannot be read")
    if run.spec.places:  # the id does not know what lies there
        key = digest(run.spec.config["dataset"])
        if key not in datasets:
            datasets[key] = make_dataset(run.spec)
        check_data(run, dataset := datasets[key])
        recorded = Recorded({}, 0) if wrong else read_recorded(run.path, len(dataset), quick=True)
        failed = [row for row, one in recorded.rows.items() if one.status == "failed" and readable(dataset, row)]
        wrong += [f"{rows_text(failed)} can be read now"] if failed else []
    return wrong


def _made(run: RunFolder) -> Job:
    """The job of a run; an error that is nobody's bad input leaves its traceback in the run's folder."""
    try:
        return make_job(run.spec)
    except Exception as error:
        if not bad_input(error):
            run.open()
            run.fail(traceback.format_exc())
        raise
