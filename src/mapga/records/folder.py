"""The folder of a run, and the folder of a problem that its runs share."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mapga.files.durable import write_json, write_text
from mapga.records.identity import digest, problem_science, run_identity
from mapga.records.journal import Journal, Row
from mapga.records.lock import Lock
from mapga.records.shards import Shard

__all__ = ["Progress", "RunFolder"]

PROBLEMS = "problems"


@dataclass(frozen=True)
class Progress:
    """Which rows of a run are recorded."""

    rows: dict[int, Row]
    total: int

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.total


class RunFolder:
    """``results_dir/<dataset>-<task>-<solver>-<hash>``.

    Files: ``config.yaml`` (resolved), ``provenance.json``, ``journal.jsonl``, ``images.npy``, ``metrics.json``,
    ``batches.jsonl`` (what each batch cost), and last of all the marker ``done``. ``error.txt`` holds the traceback of
    a failed attempt; ``skipped.json`` the reason of a pair that cannot be run.
    Truth and measurements lie in ``results_dir/problems/<hash>``, once for all solvers.

    Args:
        results_dir: Where runs lie.
        config: The resolved config, plain values.
        names: The chosen ``dataset``, ``task``, ``solver``, ``schedule`` by name.
    """

    def __init__(self, results_dir: Path, config: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self.config, self.names = dict(config), dict(names)
        self.run_id = f"{names['dataset']}-{names['task']}-{names['solver']}-{run_identity(config)}"
        self.path = results_dir / self.run_id
        problem = f"{names['dataset']}-{names['task']}-{digest(problem_science(config))}"
        self.problem_path = results_dir / PROBLEMS / problem

    @property
    def done(self) -> bool:
        return (self.path / "done").exists()

    def open(self) -> None:
        """Make the folders and write down the config.

        Raises:
            OSError: They cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.problem_path.mkdir(parents=True, exist_ok=True)
        record = {"names": self.names, "problem": f"{PROBLEMS}/{self.problem_path.name}", **self.config}
        write_text(self.path / "config.yaml", yaml.safe_dump(record, sort_keys=False, allow_unicode=True))

    def lock(self, shard: Shard) -> Lock:
        return Lock(self.path / ("lock" if shard.whole else f"lock-{shard}"))

    def journal(self, shard: Shard) -> Journal:
        return Journal(self.path / ("journal.jsonl" if shard.whole else f"journal-{shard}.jsonl"))

    def progress(self, total: int) -> Progress:
        """What all journals of the folder hold, of whatever shard."""
        rows = {row.row: row for path in sorted(self.path.glob("journal*.jsonl")) for row in Journal(path).rows()}
        return Progress({key: rows[key] for key in sorted(rows) if key < total}, total)

    def spent(self, batch: Mapping[str, Any]) -> None:
        """Note what a batch cost. A blank line first seals off a line torn by a kill."""
        with (self.path / "batches.jsonl").open("a") as file:
            file.write("\n" + json.dumps(dict(batch)) + "\n")

    def costs(self) -> list[dict[str, Any]]:
        """What each batch cost, in the order noted."""
        path = self.path / "batches.jsonl"
        costs = []
        for line in path.read_text().splitlines() if path.exists() else []:
            if not line:
                continue
            try:
                costs.append(json.loads(line))
            except ValueError:
                continue  # torn by a kill
        return costs

    def fail(self, traceback: str) -> None:
        """Keep the traceback of a failed attempt."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "error.txt", traceback)

    def skip(self, reason: str) -> None:
        """Record that this pair cannot be run, and why."""
        self.open()
        write_json(self.path / "skipped.json", {"run_id": self.run_id, **self.names, "reason": reason})

    def finish(self, progress: Progress, summary: Mapping[str, Any]) -> None:
        """Merge the journals in row order, write the summary, then the marker."""
        lines = "".join(json.dumps(row.as_dict(), allow_nan=False) + "\n" for row in progress.rows.values())
        write_text(self.path / "journal.jsonl", lines)
        write_json(self.path / "metrics.json", summary)
        (self.path / "error.txt").unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        write_text(self.path / "done", "")
