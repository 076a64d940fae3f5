"""``run``, ``plan``, ``score``, ``train``, ``verify``: what works on runs, or says what is to be done."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mapga.run.signals import EXIT_CODE, listening
from mapga.terminal.parser import BAD_INPUT
from mapga.terminal.voice import complain, errors, note, warn

if TYPE_CHECKING:
    from mapga.commands.outcome import Outcome

__all__ = ["plan", "run", "score", "train", "verify"]

DONE, FAILED = 0, 1
_BAD = {"failed": FAILED, "lossy": FAILED, "refused": BAD_INPUT, "skipped": BAD_INPUT, "interrupted": EXIT_CODE,
        "locked": EXIT_CODE}  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    if errors.is_terminal:  # who waits there sees at once that something is done
        note("reading the config")
    if arguments.multirun and not arguments.cfg:
        return _sweep(arguments.overrides)
    with listening():  # from here on: libraries take seconds to import
        from mapga.config.compose import compose_run, spec_of
        from mapga.config.typed import one_run

        if arguments.cfg:
            import yaml

            spec = spec_of(compose_run(arguments.overrides))
            print(yaml.safe_dump(dict(spec.config), sort_keys=False), end="")
            return DONE
        from mapga.commands.run import run_one

        outcome = run_one(one_run(arguments.overrides))
    if outcome.warning:
        warn(outcome.warning)
    if outcome.message and outcome.status in _BAD:
        complain(outcome.message)
    if outcome.status in ("done", "lossy"):
        _say_summary(Path(outcome.folder), before=outcome.before)
    if outcome.status == "partial":
        note(_share(Path(outcome.folder)))
    if outcome.status in ("done", "partial", "lossy"):
        print(outcome.folder)
    return _BAD.get(outcome.status, DONE)


def _share(folder: Path) -> str:
    """What is said where this shard of a run is done, and others are not."""
    from mapga.commands.status import standing
    from mapga.records.collect import read_run

    far = standing(read_run(folder))
    done = f"this shard is done, {far.images} of {far.total} images are"
    return f"{done}; the run is when the others are: mapga status {folder.parent}"


def _say_summary(folder: Path, *, before: bool) -> None:
    from mapga.terminal.endings import summary

    for line in summary(folder, before=before):
        note(line)


def _sweep(overrides: Sequence[str]) -> int:
    with listening() as notice:
        from mapga.commands.sweep import sweep
        from mapga.terminal.endings import ended_line
    notice.check()
    outcomes, results = sweep(overrides, lambda ended: note(ended_line(ended)))
    _say_outcomes(outcomes)
    print(results)
    counts = Counter(outcome.status for outcome in outcomes)
    if counts["interrupted"]:
        return EXIT_CODE
    if counts["failed"] or counts["lossy"]:
        return FAILED
    if counts["refused"]:
        return BAD_INPUT
    return EXIT_CODE if counts["locked"] else DONE


def _say_outcomes(outcomes: Sequence[Outcome]) -> None:
    """What went wrong, and the sum."""
    for outcome in outcomes:
        if outcome.warning:
            warn(outcome.warning)
        if outcome.message:
            complain(f"{outcome.status} {Path(outcome.folder).name}: {outcome.message}")
    counts = Counter(outcome.status for outcome in outcomes)
    line = f"{len(outcomes)} runs: " + ", ".join(f"{n} {status}" for status, n in counts.items())
    before = sum(outcome.before for outcome in outcomes)
    note(line + (f" ({before} were finished before)" if before else ""))


def plan(arguments: argparse.Namespace) -> int:
    from mapga.commands.plan import heading, line, plan, totals

    print(heading(), flush=True)
    runs = plan(arguments.overrides, lambda run: print(line(run), flush=True))
    times = None
    if arguments.time:
        note("timing a moment of each solver")
        from mapga.commands.timed import timed

        times = timed(runs)
    print("\n".join(totals(runs, times)))
    return DONE


def score(arguments: argparse.Namespace) -> int:
    with listening():  # from here on: libraries take seconds to import
        from mapga.commands.score import score

        refused, locked = score(arguments.folder, arguments.overrides, lambda line: print(line, flush=True))
    for line in [*refused, *locked]:
        complain(line)
    return BAD_INPUT if refused else EXIT_CODE if locked else DONE


def verify(arguments: argparse.Namespace) -> int:
    from mapga.commands.verify import verify

    return FAILED if verify(arguments.folder, arguments.replay, print) else DONE


def train(arguments: argparse.Namespace) -> int:
    from mapga.commands.train import train

    print(train(arguments.overrides, note))
    return DONE
