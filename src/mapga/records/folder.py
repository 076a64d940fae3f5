"""The folder of a run, and the folder of a problem that its runs share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mapga.errors import DamagedError
from mapga.files.durable import write_json, write_text
from mapga.files.jsonl import JSONLines
from mapga.files.plain_yaml import to_yaml
from mapga.files.system import sync_folder
from mapga.records.documents import read_summary
from mapga.records.journal import Journal
from mapga.records.lock import Lock
from mapga.records.recorded import Recorded, read_recorded
from mapga.records.scores import Numbers, ScoreLog, read_numbers
from mapga.records.shards import WHOLE, Shard
from mapga.records.trace import merge_traces
from mapga.spec import PROBLEMS, REPLACED, RunSpec

__all__ = ["RunFolder"]


class RunFolder:
    """``results_dir/<dataset>-<task>-<solver>-<hash>``.

    Files: ``config.yaml`` (resolved), ``provenance.json``, ``journal.jsonl`` and ``images.npy`` (what was restored),
    ``scores.jsonl`` (how it is scored), ``metrics.json``, ``batches.jsonl`` (what each batch cost), and last of all the
    marker ``done``. ``error.txt`` holds the traceback of a failed attempt; ``skipped.json`` the reason of a pair that
    cannot be run. Truth and measurements lie in ``results_dir/problems/<hash>``, once for all solvers.

    Args:
        spec: The run.
        path, problem: Where it and its problem lie, if that is known: a folder may have been renamed.
    """

    def __init__(self, spec: RunSpec, path: Path | None = None, problem: Path | None = None) -> None:
        self.spec = spec
        self.path = spec.folder if path is None else path
        self.run_id, self.problem_path = self.path.name, spec.problem_folder if problem is None else problem
        self._costs = JSONLines(self.path / "batches.jsonl")
        self._before: dict[Path, int] = {}  # by journal how many rows it had,
        self._elsewhere: dict[Path, tuple[int, set[int]]] = {}  # and its size and later rows when it was read

    @property
    def done(self) -> bool:
        """Whether it has its marker, and numbers: without them it is finished again from the journal."""
        try:
            read_summary(self.path)
        except (OSError, DamagedError):
            return False
        return (self.path / "done").exists()

    def reopen(self) -> None:
        """Take the marker away: it is not done, whatever was thought."""
        (self.path / "done").unlink(missing_ok=True)

    def open(self) -> None:
        """Make the folders and write down the config.

        Raises:
            OSError: They cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.problem_path.mkdir(parents=True, exist_ok=True)
        where = f"{PROBLEMS}/{self.problem_path.name}"
        record = {"names": dict(self.spec.names), "problem": where, **self.spec.config}
        write_text(self.path / "config.yaml", to_yaml(record))

    @property
    def begun(self) -> bool:
        """Whether a row is recorded."""
        return any(True for path in self.path.glob("journal*.jsonl") for _ in Journal(path).rows())

    def set_aside(self) -> Path:
        """Rename the folder to ``<run>.replaced-<n>``, which reports pass over, so that the run can be done again.

        Raises:
            LockedError: A process is at work on it.
            OSError: It cannot be renamed.
        """
        with self.lock(WHOLE):
            places = (self.path.with_name(f"{self.path.name}{REPLACED}{n}") for n in itertools.count(1))
            aside = next(place for place in places if not place.exists())
            self.path.rename(aside)
        (aside / "lock").unlink(missing_ok=True)
        return aside

    def lock(self, shard: Shard) -> Lock:
        """The lock of a shard. Nobody takes it while the run is at work in another division: it would be done twice."""
        path = self.path / ("lock" if shard.whole else f"lock-{shard}")
        return Lock(path, lambda: self.of_other_divisions("lock", shard))

    def journal(self, shard: Shard) -> Journal:
        return Journal(self.path / ("journal.jsonl" if shard.whole else f"journal-{shard}.jsonl"))

    def of_other_divisions(self, kind: str, shard: Shard) -> list[Path]:
        """The locks, or the journals, of the whole where this is a shard, and of shards of another n."""
        return [path for path in sorted(self.path.glob(f"{kind}*")) if not shard.beside(path.stem)]

    def scores(self, shard: Shard = WHOLE) -> ScoreLog:
        return ScoreLog(self.path, shard)

    def numbers(self, recorded: Recorded) -> Numbers:
        """The numbers of its recorded rows."""
        return read_numbers(self.path, recorded.rows.values())

    def recorded(self, total: int) -> Recorded:
        """What all journals of the folder hold, of whatever shard, and is in the store as they say.

        Raises:
            DamagedError: The store is there, but not whole.
        """
        return read_recorded(self.path, total)

    def watch_elsewhere(self, shard: Shard) -> None:
        """Have ``recorded_elsewhere`` tell what is recorded from now on."""
        self._before = {path: len(list(Journal(path).rows())) for path in self.of_other_divisions("journal", shard)}

    def recorded_elsewhere(self, shard: Shard) -> set[int]:
        """The rows that other divisions of the run have recorded since; only journals that have grown are read."""
        for path in self.of_other_divisions("journal", shard):
            if (size := path.stat().st_size) != self._elsewhere.get(path, (0,))[0]:
                later = list(Journal(path).rows())[self._before.get(path, 0) :]
                self._elsewhere[path] = size, {row.row for row in later}
        return set().union(*(rows for _, rows in self._elsewhere.values()))

    def spent(self, batch: Mapping[str, Any]) -> None:
        """Note what a batch cost."""
        self._costs.append([batch])

    def costs(self) -> list[dict[str, Any]]:
        """What each batch cost, in the order noted; what is no cost is passed over."""
        return list(filter(_is_cost, self._costs.read()))

    def fail(self, traceback: str) -> None:
        """Keep the traceback of a failed attempt."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "error.txt", traceback)

    def skip(self, reason: str) -> None:
        """Record that this pair cannot be run, and why."""
        self.open()
        write_json(self.path / "skipped.json", {"run_id": self.run_id, **self.spec.names, "reason": reason})

    def finish(self, recorded: Recorded, summary: Mapping[str, Any]) -> None:
        """Merge the journals in row order, the scores and the traces; write the summary, then the marker."""
        JSONLines(self.path / "journal.jsonl").replace(row.as_dict() for row in recorded.rows.values())
        self.scores().merge()
        merge_traces(self.path)
        write_json(self.path / "metrics.json", summary)
        (self.path / "error.txt").unlink(missing_ok=True)
        sync_folder(self.path)
        write_text(self.path / "done", "")


def _is_cost(cost: Mapping[str, Any]) -> bool:
    """Whether a line names rows and, if there are any, says what they cost."""
    rows, numbers = cost.get("rows"), [cost.get(key) for key in ("forward", "vjp", "seconds", "seconds_network")]
    if not isinstance(rows, list) or not all(isinstance(row, int) for row in rows):
        return False
    return not rows or all(isinstance(number, int | float) for number in numbers)
