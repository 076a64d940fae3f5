"""``mapga plan``: the runs of a sweep, how far each is, and what is left to do. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapga.commands import submission
from mapga.commands.status import Standing, standing
from mapga.config.sweep import Interaction, Sweep
from mapga.config.typed import refuse_ignored
from mapga.records.collect import run_of
from mapga.records.protocol import unscored
from mapga.spec import PROBLEMS, RunSpec
from mapga.units import duration

__all__ = ["Planned", "heading", "line", "plan", "seconds_per_pass", "totals"]


@dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    Attributes:
        spec: What it is.
        images: Its images, or None where only the data can tell.
        passes: Network passes per image.
        standing: How far it is; None if it was never begun.
    """

    spec: RunSpec
    images: int | None
    passes: int
    standing: Standing | None

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return self.spec.folder

    @property
    def like(self) -> tuple[str, ...]:
        """What its time depends on most: runs that have it in common take as long for a pass."""
        return tuple(self.spec.names[group] for group in ("dataset", "prior", "solver"))

    @property
    def state(self) -> str:
        return "pending" if self.standing is None else self.standing.state

    @property
    def images_left(self) -> int | None:
        if self.state in ("done", "to score", "skipped"):
            return 0
        total = self.images if self.standing is None else self.standing.total or self.images
        return None if total is None else total - (0 if self.standing is None else self.standing.images)


def plan(overrides: Sequence[str], tell: Callable[[Planned], object] = lambda run: None) -> list[Planned]:
    """Every run of a sweep, in launch order.

    Args:
        overrides: As for ``mapga run -m``.
        tell: Told of each run as soon as it is known. Where options turn out to interact, all are told again.

    Raises:
        ConfigError: A sweep that cannot be composed.
    """
    sweep = Sweep(overrides)
    known = submission.recall(sweep.results_dir, overrides)
    try:
        return _listed(sweep, known or sweep.runs(), tell)
    except Interaction:
        return _listed(sweep, sweep.composed(), tell)


def _listed(sweep: Sweep, specs: Iterable[RunSpec], tell: Callable[[Planned], object]) -> list[Planned]:
    """Each run once, though several points of the sweep may be it."""
    points, found = [], {}
    for spec in specs:
        points.append(spec)
        if spec.run_id not in found:
            found[spec.run_id] = _told(spec, tell)
    sweep.repeats(points)
    refuse_ignored(sweep.given, points, tasks=True)
    return list(found.values())


def _told(spec: RunSpec, tell: Callable[[Planned], object]) -> Planned:
    begun = (spec.folder / "config.yaml").exists()
    found = standing(run_of(spec.folder, spec, f"{PROBLEMS}/{spec.problem_id}")) if begun else None
    if found is not None and found.state == "done" and unscored(found.run.metrics, spec.metrics):
        found = replace(found, state="to score")
    run = Planned(spec, spec.images, spec.passes, found)
    tell(run)
    return run


def heading() -> str:
    """Above the lines of a plan."""
    return f"{'run':<54} {'state':<20} {'images left':>11} {'passes per image':>16}"


def line(run: Planned) -> str:
    """A run of a plan, for a terminal."""
    left = "?" if run.images_left is None else run.images_left
    state = run.state if run.standing is None else run.standing.shown
    return f"{run.folder.name:<54} {state:<20} {left:>11} {run.passes:>16}"


def totals(runs: Sequence[Planned], timed: Mapping[tuple[str, ...], float] | None = None) -> list[str]:
    """What is left of a plan: runs, passes and time.

    Args:
        runs: Of the plan.
        timed: Seconds of a pass of an image by ``Planned.like``; without them those that runs took which are done.
    """
    counts = Counter(run.state for run in runs)
    known = [(run, run.images_left * run.passes) for run in runs if run.images_left is not None]
    passes = sum(each for _, each in known)
    unknown = len(runs) - len(known)
    lines = [
        f"{len(runs)} runs: " + ", ".join(f"{n} {state}" for state, n in counts.items()),
        f"{passes:,} network passes left" + (f", besides {unknown} runs of unknown size" if unknown else ""),
    ]
    if timed is not None:
        left = duration(sum(timed[run.like] * each for run, each in known if each))
        return [*lines, f"about {left} on one device like this one, as two steps of each solver took here just now"]
    if (second := seconds_per_pass(runs)) is None:
        return [*lines, "no run is done yet, so there is no measured time of a pass; --time measures it here"]
    left = duration(passes * second)
    return [*lines, f"about {left} on one device at {1000 * second:.2f} ms a pass, as measured"]


def seconds_per_pass(runs: Sequence[Planned]) -> float | None:
    """Seconds of a network pass of one image, over the runs that are done; None if none is."""
    seconds, passes = 0.0, 0.0
    for run in runs:
        if run.standing is not None and run.state in ("done", "to score"):
            compute = run.standing.run.metrics["compute"]
            seconds += compute["seconds"]
            passes += (compute["forward"] + compute["vjp"]) * run.standing.images
    return seconds / passes if passes else None
