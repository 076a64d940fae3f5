"""An error that nobody foresaw: its traceback in a file, and one line that says where. Imports no torch."""

from __future__ import annotations

import os
import re
import tempfile
import traceback
from pathlib import Path

from mapga.errors import first_line
from mapga.files.address import shown

__all__ = ["unforeseen", "without_secrets"]

_SECRET = re.compile(r"(key|token|secret|password)$", re.IGNORECASE)  # ends the names of variables that hold some
_SHORTEST = 6  # characters of a secret: a shorter one would be found in words


def unforeseen(error: Exception, kept: Path | None = None) -> str:
    """One line for a person, with the place of the traceback.

    Args:
        error: What happened.
        kept: Where its traceback may lie by now; else it goes to a new file ``mapga-*.txt`` in the system's folder
            of temporary files (``TMPDIR``), which only its owner can read.
    """
    line = without_secrets(f"unexpected: {type(error).__name__}: {first_line(error)}")
    if kept is None or not kept.is_file():
        try:
            kept = _written("".join(traceback.format_exception(error)))
        except OSError as why:
            return f"{line}; its traceback could not be kept ({why.strerror}); please report it"
    return f"{line}; the traceback is in {kept}, please report it"


def without_secrets(text: str) -> str:
    """A text without the passwords of its addresses and the keys of the environment."""
    text = shown(text)
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    return text


def _written(text: str) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="mapga-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(without_secrets(text))
    return Path(file.name)
