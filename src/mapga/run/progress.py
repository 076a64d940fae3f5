"""What a person sees of long work: a bar with an ETA on a terminal, plain lines in a log, nothing on request."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mapga.units import duration

__all__ = ["Advance", "ProgressDisplay"]

_log = logging.getLogger("mapga")
_LOG_SECONDS = 30.0  # between two lines of a log


class Advance(Protocol):
    """Tell how much further the work is, in images; a step of a batch is a fraction of its images."""

    def __call__(self, images: float) -> None: ...


class ProgressDisplay:
    """Shows progress on standard error, where results are not; nothing where warnings alone are said (``-q``)."""

    def __init__(self) -> None:
        self._console = Console(
            stderr=True, quiet=_log.level >= logging.WARNING, highlight=False, soft_wrap=True, emoji=False
        )

    def say(self, line: str) -> None:
        """What is done now."""
        self._console.print(line, markup=False)

    @contextmanager
    def run(self, title: str, *, done: int, total: int) -> Iterator[Advance]:
        """Follow a run of ``total`` images of which ``done`` are there already."""
        if not self._console.is_terminal:
            yield self._log(title, done, total)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(title, total=total, completed=done)
            yield lambda images: bar.advance(task, images)

    def _log(self, title: str, done: int, total: int) -> Advance:
        begun = spoke = time.monotonic()
        here = 0.0

        def advance(images: float) -> None:
            nonlocal here, spoke
            here += images
            now = time.monotonic()
            if now - spoke < _LOG_SECONDS:
                return
            spoke = now
            left = (now - begun) / here * max(total - done - here, 0)
            self.say(f"{title}: {done + here:.1f} of {total} images, about {duration(left)} left")
            sys.stderr.flush()

        return advance
