"""The numbers of a run: of each image and of the whole set, with the protocol of each. Pixels are the journal's.

``scores.jsonl`` only grows. A scoring says of some metrics how they are made; lines of images and of the set name their
scoring, and the checksum of the pixels that they are of: where pixels are others now, the number does not count.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mapga.files.jsonl import JSONLines
from mapga.identity import digest
from mapga.records.journal import Row, seal
from mapga.records.older import older_lines
from mapga.records.protocol import Protocol
from mapga.records.shards import WHOLE, Shard

__all__ = ["Numbers", "ScoreLog", "read_numbers"]

_NAME = "scores"


@dataclass
class Numbers:
    """What counts of a run's scores. Protocols stand by their keys, in the order in which they first made a number.

    Attributes:
        protocols: How numbers are made; of one key as they were made the last time.
        images: For each protocol the numbers by row; None where one is not finite.
        sets: For each protocol of sets its cell of ``metrics.json``.
        code: For each protocol, by row, the code that made the number; that of a set stands at row -1.
        rows: The restored rows.
    """

    protocols: dict[str, Protocol] = field(default_factory=dict)
    images: dict[str, dict[int, float | None]] = field(default_factory=dict)
    sets: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    code: dict[str, dict[int, Mapping[str, str]]] = field(default_factory=dict)
    rows: frozenset[int] = frozenset()

    def whole(self, key: str) -> bool:
        """Whether a protocol's numbers are all there."""
        return key in self.sets or (key in self.images and self.images[key].keys() >= self.rows)

    def lacking(self, protocol: Protocol, *, anew: bool = False) -> list[int]:
        """The rows that have no number of a protocol; [-1] where a set has none.

        Args:
            protocol: It, under today's code.
            anew: Numbers of other code count as none.
        """
        if protocol.key in self.sets:
            known: Iterable[int] = [-1]
        else:
            known = self.images.get(protocol.key, {})
        made = self.code.get(protocol.key, {})
        sound = {row for row in known if not anew or made.get(row) == protocol.code}
        return [] if -1 in sound else sorted(self.rows - sound)

    def columns(self) -> dict[str, str]:
        """For each protocol whose numbers are all there its place in ``metrics.json``: the metric's name, or the key
        where an earlier protocol has that."""
        found: dict[str, str] = {}
        for key, protocol in self.protocols.items():
            if self.whole(key):
                found[key] = key if protocol.name in found.values() else protocol.name
        return found

    def by_row(self) -> dict[int, dict[str, float | None]]:
        """Each image's numbers, by column."""
        columns = {key: column for key, column in self.columns().items() if key in self.images}
        return {row: {column: self.images[key][row] for key, column in columns.items()} for row in self.rows}


class ScoreLog:
    """Appends to a run's scores.

    Args:
        folder: The run's.
        shard: Each has a file of its own, merged at the end.
    """

    def __init__(self, folder: Path, shard: Shard = WHOLE) -> None:
        self._folder, self._shard = folder, shard
        self._log = JSONLines(folder / (f"{_NAME}.jsonl" if shard.whole else f"{_NAME}-{shard}.jsonl"))

    def begin(self, protocols: Sequence[Protocol]) -> str:
        """Say how the numbers are made that follow; what their lines name. What an older version said comes along."""
        if self._shard.whole and not self._log.path.exists() and (older := list(older_lines(self._folder))):
            self._log.replace(older)
        by = digest([one.as_dict() for one in protocols])
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._log.append([{"by": by, "date": when, "protocols": [one.as_dict() for one in protocols]}])
        return by

    def add_images(self, by: str, rows: Sequence[Row], numbers: Sequence[Mapping[str, float | None]]) -> None:
        """The numbers of some restored rows, in one write."""
        self._log.append(
            {"by": by, "row": row.row, "crc": row.crc, "metrics": dict(found)}
            for row, found in zip(rows, numbers, strict=True)
        )

    def add_sets(self, by: str, rows: Iterable[Row], cells: Mapping[str, Mapping[str, Any]]) -> None:
        """The numbers of the set of all restored rows."""
        self._log.append([{"by": by, "set": seal(rows), "metrics": dict(cells)}])

    def merge(self) -> None:
        """Bring the lines of all shards into one file: scorings, images in the order of rows, sets."""
        paths = sorted(self._folder.glob(f"{_NAME}-*-of-*.jsonl"))
        if paths:
            found = [line for path in [self._folder / f"{_NAME}.jsonl", *paths] for line in JSONLines(path).read()]
            lines = {json.dumps({**line, "date": None}): line for line in found}  # a shard may have begun twice
            ordered = sorted(lines.values(), key=_place)
            JSONLines(self._folder / f"{_NAME}.jsonl").replace(ordered)


def _place(line: Mapping[str, Any]) -> float:
    """Scorings come first, then images in the order of rows, then sets."""
    return -1 if "protocols" in line else line.get("row", math.inf)


def read_numbers(folder: Path, rows: Iterable[Row]) -> Numbers:
    """The numbers of a run's recorded rows, of whatever shard; what is no line of ours is passed over.

    Args:
        folder: The run's.
        rows: What its journal says, of each row once.
    """
    done = {row.row: row for row in rows if row.status == "done"}
    found = Numbers(rows=frozenset(done))
    whole = seal(done.values())
    scorings: dict[str, dict[str, Protocol]] = {}
    for line in _lines(folder):
        try:
            if "protocols" in line:
                scorings[line["by"]] = {one.name: one for one in map(Protocol.of, line["protocols"])}
                continue
            made = [(scorings[line["by"]][name], value) for name, value in line["metrics"].items()]
        except (LookupError, TypeError, AttributeError):
            continue
        row = line.get("row", -1)
        if (row == -1 and line.get("set") != whole) or (
            row != -1 and (row not in done or line["crc"] != done[row].crc)
        ):
            continue
        for protocol, value in made:
            found.protocols[protocol.key] = protocol
            found.code.setdefault(protocol.key, {})[row] = protocol.code
            if row == -1:
                found.sets[protocol.key] = value
            else:
                found.images.setdefault(protocol.key, {})[row] = value
    return found


def _lines(folder: Path) -> Iterator[Mapping[str, Any]]:
    """How it was scored first, of shards the whole's may say it; read twice rather than kept, for there may be many."""
    paths = sorted(folder.glob(f"{_NAME}*.jsonl"))
    if not paths:
        yield from older_lines(folder)
    for says_how in (True, False):
        for path in paths:
            yield from (line for line in JSONLines(path).read() if ("protocols" in line) == says_how)
