"""A sweep at work: which of its runs have ended, told as soon as it is known, and how long the others may take."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mapga.commands.outcome import Outcome
from mapga.spec import RunSpec

__all__ = ["Ended", "Following"]

_LOOK_SECONDS = 1.0  # between two looks at the folders of runs that are at work elsewhere
_WORKED = ("done", "lossy", "partial")


@dataclass(frozen=True)
class Ended:
    """A run of a sweep that has ended.

    Attributes:
        name: What it is called beside the others: its id, without the hash where no other shares the rest.
        outcome: How.
        place: How many have ended by now, those included that were finished before.
        total: Runs of the sweep.
        left: Seconds that the others may take; None where nobody knows, or none is left.
    """

    name: str
    outcome: Outcome
    place: int
    total: int
    left: float | None


class Following:
    """Tells of each run once.

    What is left is worked out from the passes of those that have ended since, in the time that has gone by: whatever
    works on them side by side.

    Args:
        specs: The runs of the sweep, each once.
        before: The ids of those that were finished before.
        tell: Told of each that ends.
    """

    def __init__(self, specs: Sequence[RunSpec], before: Collection[str], tell: Callable[[Ended], object]) -> None:
        self._waiting = {_key(spec): spec for spec in specs if spec.run_id not in before}
        self._names = _names(specs)
        self._place, self._total, self._tell = len(specs) - len(self._waiting), len(specs), tell
        self._begun, self._worked = time.monotonic(), 0.0
        self._lock = threading.Lock()

    def after(self, spec: RunSpec, outcome: Outcome) -> Outcome:
        """Tell how a run has ended, unless that was told already; the outcome."""
        with self._lock:
            if self._waiting.pop(_key(spec), None) is None:
                return outcome
            self._place += 1
            self._worked += _work(spec) * (outcome.status in _WORKED)
            gone, left = time.monotonic() - self._begun, sum(map(_work, self._waiting.values()))
            seconds = gone / self._worked * left if left and self._worked else None
            self._tell(Ended(self._names[spec.run_id], outcome, self._place, self._total, seconds))
        return outcome

    @contextmanager
    def watching(self, look: Callable[[RunSpec], Outcome | None]) -> Iterator[None]:
        """Meanwhile ask again and again how runs that others work on have ended, if they have."""
        over = threading.Event()
        known = {key for key, spec in self._waiting.items() if look(spec) is not None}  # what is done again

        def watch() -> None:
            while not over.wait(_LOOK_SECONDS):
                for key, spec in list(self._waiting.items()):
                    if key not in known and (outcome := look(spec)) is not None:
                        self.after(spec, outcome)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _key(spec: RunSpec) -> tuple[str, str]:
    return spec.run_id, spec.shard


def _names(specs: Sequence[RunSpec]) -> dict[str, str]:
    short = {spec.run_id: spec.run_id.rpartition("-")[0] for spec in specs}
    shared = Counter(short.values())
    return {run_id: name if shared[name] == 1 else run_id for run_id, name in short.items()}


def _work(spec: RunSpec) -> float:
    """What a run costs, in passes; a pseudo-inverse costs something too."""
    return (1 + spec.passes) * (spec.images or 1)
