"""Writing files so that a reader never sees half of one: to a neighbour first, which then takes the file's place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["creating", "replacing", "settle", "write_bytes", "write_json", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file by what the block writes to the path it is given.

    That is a hidden neighbour in the same folder. It is renamed over ``path`` when the block ends, and removed if it
    fails: ``path`` is untouched then.
    """
    with _neighbour(path) as neighbour:
        yield neighbour
        settle(neighbour, path)


@contextmanager
def creating(path: Path) -> Iterator[Path]:
    """``replacing`` for a file that is not there yet: of processes that race the first wins, and its file stays."""
    with _neighbour(path) as neighbour:
        yield neighbour
        _sync(neighbour)
        try:
            os.link(neighbour, path)  # fails if another process was first, unlike a rename
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            neighbour.rename(path)


def settle(whole: Path, path: Path) -> None:
    """Rename a file that is written to its end over ``path``, once it is on disk."""
    _sync(whole)
    whole.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    with replacing(path) as neighbour:
        neighbour.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` of text in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """``write_text`` of indented JSON; NaN and infinity are refused (write null)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


@contextmanager
def _neighbour(path: Path) -> Iterator[Path]:
    neighbour = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield neighbour
    finally:
        neighbour.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
