"""What a person can put right."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["ConfigError", "DamagedError", "closest"]


class ConfigError(ValueError):
    """Something a person wrote is wrong. The message is one line: what, where, and what to do."""


class DamagedError(ConfigError):
    """A stored file is not what was written. The message is one line: which, what is wrong, and what to do."""


def closest(word: str, known: Sequence[str]) -> str:
    """``"; did you mean 'x'?"`` or ``";"``, to go on with what is known."""
    match = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {match[0]!r}?" if match else ";"
