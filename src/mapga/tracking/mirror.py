"""Telling a tracker without depending on it: in a thread of its own, with a deadline, its troubles noted once."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Literal

from mapga.tracking.base import Tracker

__all__ = ["Mirror"]

Event = Literal["begin_run", "row", "end_run", "begin_training", "step", "end_training"]

_log = logging.getLogger(__name__)

_PATIENCE = 20.0  # seconds that a finished run waits for its trackers


class Mirror:
    """Passes a run's events on to trackers. Nothing here raises, and nothing here waits but ``close``.

    Each tracker has a daemon thread, so one that hangs cannot hold another up, nor the end of the process.

    Args:
        trackers: Whom to tell.
        patience: Seconds ``close`` waits for them in all.
    """

    def __init__(self, trackers: Sequence[Tracker], *, patience: float = _PATIENCE) -> None:
        self._tellers = [_Teller(tracker) for tracker in trackers]
        self._patience = patience

    def tell(self, event: Event, *arguments: object) -> None:
        """Have every tracker hear of an event, with the arguments of the method of that name."""
        for teller in self._tellers:
            teller.events.put((event, arguments))

    def close(self) -> None:
        """Let trackers hear what they have been told, but not forever."""
        for teller in self._tellers:
            teller.events.put(None)
        deadline = threading.Event()
        timer = threading.Timer(self._patience, deadline.set)
        timer.daemon = True
        timer.start()
        for teller in self._tellers:
            while teller.is_alive() and not deadline.is_set():
                teller.join(0.05)
            if teller.is_alive():
                _log.warning("%s did not finish within %g s; results are complete", teller.name, self._patience)
        timer.cancel()


class _Teller(threading.Thread):
    def __init__(self, tracker: Tracker) -> None:
        super().__init__(name=f"tracker {type(tracker).__name__}", daemon=True)
        self.tracker = tracker
        self.events: queue.SimpleQueue[tuple[Event, tuple[object, ...]] | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        broken = False
        while (told := self.events.get()) is not None:
            if broken:
                continue
            event, arguments = told
            try:
                getattr(self.tracker, event)(*arguments)
            except Exception as error:
                broken = True
                _log.warning("%s: %s: %s; the run goes on without it", self.name, type(error).__name__, error)
        try:
            self.tracker.close()
        except Exception as error:
            _log.warning("%s did not close: %s", self.name, error)
