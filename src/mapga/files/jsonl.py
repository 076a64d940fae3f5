"""Logs of JSON lines: appended durably, read whatever a kill has torn or a disk has changed."""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapga.files.durable import write_text
from mapga.files.system import BINARY, read_at

__all__ = ["JSONLines", "Line"]

_SEAL = '"line_crc": '  # before the last number of a line: the CRC-32 of everything before


@dataclass(frozen=True)
class Line:
    """A line of a log that is not blank.

    Attributes:
        number: Its place in the file, from 1.
        text: What stands there, without the newline.
        record: The JSON object that it is; None if it is torn or changed, or anything else.
    """

    number: int
    text: str
    record: dict[str, Any] | None


class JSONLines:
    """An append-only file of JSON objects, one a line, each sealed with a checksum. A file that is not there yet has no
    lines; a line without a seal, of an older version, is taken as it is.

    Args:
        path: The file; its folder must be there before anything is appended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records durably, in one write, so that a kill leaves all of them or none.

        Raises:
            ValueError: A number is NaN or infinite; nothing is written.
            OSError: The disk took less.
        """
        lines = _text(records).encode()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and read_at(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # seal a torn line off
            written = os.write(descriptor, lines)
            if written != len(lines):
                raise OSError(errno.ENOSPC, f"the disk took {written} of {len(lines)} bytes", str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Put these records in the place of all that are there, all of them or none."""
        write_text(self.path, _text(records))

    def read(self) -> Iterator[dict[str, Any]]:
        """Every whole record, in the order written."""
        return (line.record for line in self.lines() if line.record is not None)

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank, also the torn ones.

        Raises:
            OSError: There is a file that cannot be read.
        """
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    yield Line(number, text.rstrip("\n"), _record(text))


def _text(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(map(_sealed, records))


def _sealed(record: Mapping[str, Any]) -> str:
    head = json.dumps(record, allow_nan=False)[:-1] + ", "
    return f"{head}{_SEAL}{zlib.crc32(head.encode())}}}\n"


def _record(text: str) -> dict[str, Any] | None:
    head, sealed, seal = text.rpartition(_SEAL)
    try:
        record = json.loads(text)
        if sealed and zlib.crc32(head.encode()) != int(seal.rstrip().removesuffix("}")):
            return None
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    record.pop("line_crc", None)
    return record
