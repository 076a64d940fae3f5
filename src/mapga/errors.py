"""What a person can put right, and how an error is said in one line."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Sequence

import yaml

__all__ = [
    "BrokenModuleError",
    "ConfigError",
    "DamagedError",
    "Unsupported",
    "bad_input",
    "closest",
    "first_line",
    "told",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG)
_NAMES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EILSEQ)


class ConfigError(ValueError):
    """Something a person wrote is wrong. The message is one line: what, where, and what to do."""


class DamagedError(ConfigError):
    """A stored file is not what was written. The message is one line: which, what is wrong, and what to do."""


class Unsupported(ConfigError):
    """A solver that cannot serve a task with a prior."""


class BrokenModuleError(ImportError):
    """A module of a component that cannot be imported; the message names it, the error and its line."""


def told(error: BaseException) -> str | None:
    """An error of input, of files or of the machine in one line; None for one that nobody foresaw."""
    if isinstance(error, ConfigError | BrokenModuleError):
        return str(error)
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark) is not None:
        return f"{mark.name}, line {mark.line + 1}: {error.problem}; mend the file"
    if isinstance(error, yaml.YAMLError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory ({error or 'for what was asked'}); ask for fewer or smaller things at a time"
    if not isinstance(error, OSError):
        return None
    if error.strerror is None:
        return str(error) or None
    where = "" if error.filename is None else f"{error.filename}: "
    mend = "free some" if error.errno in _FULL else "mend that" if error.errno in _FORBIDDEN else ""
    remedy = f"; {mend}, and the same command continues" if mend else ""
    return f"{where}{error.strerror}{remedy}"


def bad_input(error: BaseException) -> bool:
    """Whether what a person wrote, or named, is at fault, and not the machine."""
    if isinstance(error, ConfigError | BrokenModuleError | yaml.YAMLError):
        return True
    return isinstance(error, OSError) and error.errno in _NAMES


def first_line(error: BaseException) -> str:
    """The first line of what an error says, cut at 200 characters; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def closest(word: str, known: Sequence[str]) -> str:
    """``"; did you mean 'x'?"`` or ``";"``, to go on with what is known."""
    match = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {match[0]!r}?" if match else ";"
