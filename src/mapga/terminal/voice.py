"""How the command line speaks on stderr. One level for all of it, the logger ``mapga``: ``-q``, nothing, ``-v``."""

from __future__ import annotations

import logging

from rich.console import Console

__all__ = ["NOTES", "QUIET", "VERBOSE", "complain", "errors", "note", "set_level", "warn"]

VERBOSE, NOTES, QUIET = logging.INFO, 25, logging.WARNING  # the usual is between the two
_LONGEST = 300  # characters of a word that is printed whole

errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
_log = logging.getLogger("mapga")


def set_level(level: int | None) -> None:
    """Say what is at least of this level; None: the usual."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _log.setLevel(NOTES if level is None else level)


def complain(message: str) -> None:
    """What is wrong, in one line, whatever the level."""
    _line(message, "red")


def warn(message: str) -> None:
    """What should be known of a result that stands, whatever the level."""
    _line(message, "yellow")


def note(text: str) -> None:
    """What is done and what it came to."""
    if _log.isEnabledFor(NOTES):
        errors.print(text, markup=False)


def _line(message: str, style: str) -> None:
    words = (word if len(word) <= _LONGEST else f"{word[:40]}...{word[-40:]}" for word in message.split())
    errors.print("mapga: " + " ".join(words), markup=False, style=style)
