"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["append_text", "write_json", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: to a neighbour first, then renamed over the old one."""
    neighbour = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with neighbour.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)


def append_text(path: Path, text: str) -> None:
    """Append whole lines durably, in one write, so that a kill leaves all of them or none.

    Raises:
        OSError: The disk took less.
    """
    lines = text.encode()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            lines = b"\n" + lines  # seal a torn line off
        written = os.write(descriptor, lines)
        if written != len(lines):
            raise OSError(f"{path}: the disk took {written} of {len(lines)} bytes")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """``write_text`` of indented JSON; NaN and infinity are refused (write null)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
