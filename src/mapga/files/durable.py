"""Writing files so that a reader never sees half of one: to a neighbour first, which then takes the file's place.

A neighbour is hidden, and named after the process that writes it: ``.<file>.<host>-<namespace>-<process>``.
"""

from __future__ import annotations

import functools
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mapga.files.system import lives

__all__ = [
    "creating",
    "naming",
    "neighbour_of",
    "remove_leftovers",
    "replacing",
    "settle",
    "write_bytes",
    "write_json",
    "write_text",
]


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


def neighbour_of(path: Path) -> Path:
    """The neighbour of a file that this process may write."""
    return path.with_name(f".{path.name}.{_here()}-{os.getpid()}")


def remove_leftovers(folder: Path) -> None:
    """Remove the neighbours in a folder whose processes were killed: those of this machine that are dead."""
    ours = re.compile(rf"\..+\.{re.escape(_here())}-(\d+)(-\d+)?")
    for path in folder.iterdir():
        match = ours.fullmatch(path.name)
        if match and path.is_file() and not path.is_symlink() and not lives(int(match[1])):
            path.unlink(missing_ok=True)


@functools.cache
def _here() -> str:
    """Where a process number means one process: a host, and in it a namespace of such numbers, as containers have."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # macOS has no /proc
        namespace = 0
    return f"{socket.gethostname()}-{namespace}"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have a failed write, which names no file or a neighbour that nobody knows, name the file that is written."""
    try:
        yield
    except OSError as error:
        unknown = error.filename is None or str(error.filename) == str(neighbour_of(path))
        if error.errno is not None and unknown:
            error.filename = str(path)
        raise


@contextmanager
def _neighbour(path: Path) -> Iterator[Path]:
    neighbour = neighbour_of(path)
    try:
        with naming(path):
            yield neighbour
    finally:
        neighbour.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
