"""``mapga run``: one config to one finished run."""

from __future__ import annotations

from mapga.commands.outcome import Outcome, finished, guarded
from mapga.run.signals import listening
from mapga.spec import RunSpec

__all__ = ["run_one"]


def run_one(spec: RunSpec) -> Outcome:
    """Run it, or what is left of it. Raises nothing that a job can cause."""
    with listening() as notice:
        if (before := finished(spec)) is not None:
            return before
        from mapga.commands.work import worked  # and torch: not where nothing is to be done

        return guarded(spec, lambda run: worked(run, notice))
