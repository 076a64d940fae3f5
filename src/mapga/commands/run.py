"""``mapga run``: one config to one finished run."""

from __future__ import annotations

import sys
from importlib import import_module

from mapga.commands.outcome import Outcome, finished, guarded
from mapga.run.progress import ProgressDisplay
from mapga.run.signals import listening
from mapga.spec import RunSpec

__all__ = ["load", "run_one"]


def run_one(spec: RunSpec) -> Outcome:
    """Run it, or what is left of it. Raises nothing that a job can cause."""
    with listening() as notice:
        if (before := finished(spec)) is not None:
            return before
        load()
        from mapga.commands.work import worked

        return guarded(spec, lambda run: worked(run, notice))


def load() -> None:
    """Import what solves, and say so: it takes seconds, for which nobody waits where nothing is to be done."""
    if "torch" not in sys.modules:
        ProgressDisplay().say("loading networks")
    import_module("mapga.commands.work")
