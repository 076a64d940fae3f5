"""What was submitted to a results folder: when, under which code, and every run of it. Imports no torch.

``submissions.jsonl`` has a line for each submission; the runs of one lie in ``sweeps/<key>.json``, whose name follows
from its overrides and the code, so that a plan need not compose them again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from mapga.config.files import own_conf
from mapga.files.durable import write_json
from mapga.files.jsonl import JSONLines
from mapga.identity import digest
from mapga.records.provenance import code_identity, submitted_code
from mapga.spec import RunSpec

__all__ = ["latest", "note", "recall"]


def note(results: Path, overrides: Sequence[str], specs: Sequence[RunSpec]) -> None:
    """Write a submission down.

    Args:
        results: The results folder, made if it is not there.
        overrides: As typed.
        specs: Its runs; empty where nobody knows them beforehand, as in a search.
    """
    path = _path(results, overrides)
    path.parent.mkdir(parents=True, exist_ok=True)
    if specs and not _depends_on_surroundings(overrides):
        write_json(path, [{"config": dict(spec.composed), "names": dict(spec.names)} for spec in specs])
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    own = own_conf()
    noted = {"time": when, "overrides": list(overrides), "sweep": path.name}
    noted |= {"config_dir": str(own)} if own else {}
    JSONLines(results / "submissions.jsonl").append([noted | submitted_code()])


def recall(results: Path, overrides: Sequence[str]) -> list[RunSpec] | None:
    """The runs of a submission with the same overrides and code; None if there was none.

    Raises:
        ConfigError: As ``RunSpec.of``: the hashes of files are those of now.
    """
    return _read(_path(results, overrides))


def latest(results: Path) -> list[RunSpec]:
    """The runs of the last submission, as far as they were known."""
    noted = list(JSONLines(results / "submissions.jsonl").read())
    name = str(noted[-1].get("sweep", "")) if noted else ""
    return (_read(results / "sweeps" / Path(name).name) if name else None) or []


def _path(results: Path, overrides: Sequence[str]) -> Path:
    return results / "sweeps" / f"{digest([*overrides, code_identity()])}.json"


def _depends_on_surroundings(overrides: Sequence[str]) -> bool:
    return any("${" in text for text in overrides)


def _read(path: Path) -> list[RunSpec] | None:
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return [RunSpec.of(one["config"], one["names"]) for one in written]
    except (OSError, ValueError, LookupError, TypeError):  # absent or damaged: composed again
        return None
