"""What comes from elsewhere: one file, or folder, that is here or is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mapga.files.download import Told
from mapga.files.fetch import RemoteFile, fetch

__all__ = ["Need", "missing"]


@dataclass(frozen=True)
class Need:
    """One file, or folder, from elsewhere.

    Attributes:
        key: Who needs it.
        what: Its name, and where it comes from.
        problem: None if it is here, else one line: what is wrong and what to do.
        get: Fetches it, telling how far it is where it can, and returns its path; None for what a person must put in
            place.
    """

    key: str
    what: str
    problem: str | None
    get: Callable[[Told], Path] | None = None

    @classmethod
    def of_file(cls, key: str, file: RemoteFile) -> Need:
        """A file of the cache, or one that stands in its place on this machine."""
        get = None if file.local is not None else lambda told: fetch(file, told=told)
        return cls(key, f"{file.name} from {file.origin()}", file.problem(), get)

    @classmethod
    def of_place(cls, key: str, place: str) -> Need:
        """A file or folder that a person names by ``key``."""
        there = Path(place).expanduser().exists()
        problem = f"{key}={place}: no such file or folder; put the data there or mend {key}"
        return cls(key.partition(".")[0], place, None if there else problem)


def missing(needs: Sequence[Need]) -> str | None:
    """None if everything is here, else one line that lists what is not, each with its source."""
    lines = [f"[{need.key}] {need.problem}" for need in needs if need.problem is not None]
    return f"{len(lines)} missing or damaged: {'; '.join(dict.fromkeys(lines))}" if lines else None
