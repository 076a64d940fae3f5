"""How a run ended. Whether it was finished before is answered without torch, for which nobody waits in vain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from mapga.commands.unforeseen import unforeseen
from mapga.datasets.base import Dataset
from mapga.errors import Unsupported, bad_input, told
from mapga.identity import digest
from mapga.records import LockedError, RunFolder
from mapga.records.audit import damages
from mapga.records.collect import UNREADABLE, read_run
from mapga.records.documents import read_summary, rows_text
from mapga.records.losses import AllLost, Losses
from mapga.records.origins import other_code
from mapga.records.protocol import Protocol, unscored
from mapga.records.recorded import Recorded, read_recorded
from mapga.run.signals import InterruptedRun
from mapga.run.truth import check_data, readable
from mapga.spec import RunSpec

__all__ = ["Outcome", "ended", "finished", "guarded", "wrong"]

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


def finished(spec: RunSpec, datasets: dict[str, Dataset] | None = None) -> Outcome | None:
    """How a run ended that was finished before; None if it was not. Raises nothing that a job can cause.

    One of which something has been damaged since is not finished, nor one that lacks a number which is asked for, nor
    any with ``redo=true``.

    Args:
        spec: The run.
        datasets: Those that were looked at already, by digest, for many runs of the same images.
    """
    known = {} if datasets is None else datasets

    def look(run: RunFolder) -> Outcome | None:
        if not run.done or wrong(run, known) or unscored(read_summary(run.path), run.spec.metrics):
            return None
        return replace(ended(run), warning=_outdated(run), before=True)

    return None if spec.redo else guarded(spec, look)


def guarded(spec: RunSpec, work: Callable[[RunFolder], _Ending]) -> _Ending | Outcome:
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
    mean = _objective(run.spec, summary)
    return Outcome("done", str(run.path), value=None if mean is None else float(mean))


def _objective(spec: RunSpec, summary: Mapping[str, Any]) -> float | None:
    """A run's number by the metric that a search goes by, under the protocol that it asks for."""
    if spec.objective is None:
        return None
    key = Protocol.asked(spec.metrics[spec.objective]).key
    return next((cell["mean"] for cell in summary["metrics"].values() if cell["protocol"] == key), None)


def _outdated(run: RunFolder) -> str:
    """That a finished run is of other sources than today's, or ""."""
    other = other_code(run.path)
    return f"{run.run_id} was {other}, and its numbers are theirs; redo=true runs it again" if other else ""


def wrong(run: RunFolder, datasets: dict[str, Dataset]) -> list[str]:
    """What has become of a finished run since: damaged files, and pictures that could not be read and now can.

    Args:
        run: The run.
        datasets: Those that were made already, by digest; one that is not is added.

    Raises:
        ConfigError: It was begun with other images.
    """
    found = damages(run.path, run.problem_path, quick=True)
    try:
        read_run(run.path)
    except UNREADABLE:
        found.append("config.yaml cannot be read")
    if run.spec.places:  # the id does not know what lies there
        from mapga.run.assemble import make_dataset

        key = digest(run.spec.config["dataset"])
        if key not in datasets:
            datasets[key] = make_dataset(run.spec)
        check_data(run, dataset := datasets[key])
        recorded = Recorded({}, 0) if found else read_recorded(run.path, len(dataset), quick=True)
        failed = [row for row, one in recorded.rows.items() if one.status == "failed" and readable(dataset, row)]
        found += [f"{rows_text(failed)} can be read now"] if failed else []
    return found
