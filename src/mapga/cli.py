"""``mapga <command>``: what a person types. Exit codes: 0 done, 2 bad input, 1 anything failed, 75 asked to stop."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from mapga import __version__
from mapga.errors import ConfigError
from mapga.run.signals import EXIT_CODE

__all__ = ["main"]

_errors = Console(stderr=True, highlight=False, soft_wrap=True)

DONE, FAILED, BAD_INPUT = 0, 1, 2
_BAD = {"failed": FAILED, "refused": BAD_INPUT, "skipped": BAD_INPUT, "interrupted": EXIT_CODE}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    arguments = _parse(argv)
    try:
        return int(arguments.command(arguments))
    except ConfigError as error:
        _complain(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        _complain("interrupted; the same command continues where it stopped")
        return FAILED


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, with overrides on either side of an option (argparse alone takes one side only)."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    overrides = getattr(arguments, "overrides", None)
    if rest and (overrides is None or any(text.startswith("-") for text in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.overrides = [*(overrides or []), *rest]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mapga", description="Restoration with diffusion priors: runs and reports.")
    parser.add_argument("--version", action="version", version=f"mapga {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="restore images and score them",
        description="Restore the images of a dataset and score them. Overrides are Hydra's: task=half solver=ddrm "
        "schedule.steps=50. With -m, lists are swept: task=box50,half solver=map_ga,pgdm.",
    )
    run.add_argument("-m", "--multirun", action="store_true", help="sweep over comma-separated values")
    run.add_argument("--cfg", action="store_true", help="print the composed config and stop")
    run.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    run.set_defaults(command=_run)

    report = commands.add_parser("report", help="tables and pictures of the runs below a folder")
    report.add_argument("folder", type=Path, help="a results folder")
    report.add_argument("--images", type=int, default=8, help="images in the grid (default 8)")
    report.set_defaults(command=_report)

    plan = commands.add_parser(
        "plan",
        help="the runs of a sweep: done, running, pending; passes and hours left",
        description="List the runs that 'mapga run -m' with the same overrides would launch, and what is left of them.",
    )
    plan.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    plan.set_defaults(command=_plan)

    status = commands.add_parser("status", help="how far the runs below a folder are")
    status.add_argument("folder", type=Path, help="a results folder")
    status.add_argument("--watch", action="store_true", help="refresh every two seconds until all have ended")
    status.set_defaults(command=_status)

    sync = commands.add_parser("sync", help="mirror finished runs to Weights & Biases, from their journals")
    sync.add_argument("folder", type=Path, help="a results folder")
    sync.add_argument(
        "--mode", choices=("auto", "online", "offline"), default=None, help="default: as the run's config"
    )
    sync.set_defaults(command=_sync)

    export = commands.add_parser("export", help="write a run's restored images as PNG files")
    export.add_argument("folder", type=Path, help="a run's folder")
    export.add_argument("--to", type=Path, default=None, help="where to (default: png/ in the run's folder)")
    export.set_defaults(command=_export)

    train = commands.add_parser(
        "train",
        help="train a denoiser and a consistency model",
        description="Train what a recipe of conf/train describes, or go on with it: mapga train prior=mnist, or "
        "mapga train dataset=image_folder dataset.root=... heldout.root=... stages.denoiser.steps=...",
    )
    train.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    train.set_defaults(command=_train)

    prefetch = commands.add_parser(
        "prefetch",
        help="fetch the files that a run needs into the cache (MAPGA_CACHE)",
        description="Fetch what a run needs: mapga prefetch experiment=... | dataset=... | prior=... | metrics=...",
    )
    prefetch.add_argument("--list", action="store_true", help="only say what is needed and whether it is here")
    prefetch.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    prefetch.set_defaults(command=_prefetch)

    doctor = commands.add_parser("doctor", help="versions, devices, and which solver can serve which task")
    doctor.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    doctor.set_defaults(command=_doctor)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from mapga.config.compose import compose_run, spec_of

    if arguments.multirun and not arguments.cfg:
        return _sweep(arguments.overrides)
    spec = spec_of(compose_run(arguments.overrides))
    if arguments.cfg:
        import yaml

        print(yaml.safe_dump(dict(spec.config), sort_keys=False), end="")
        return DONE
    from mapga.commands.run import run_one

    outcome = run_one(spec)
    if outcome.status in _BAD:
        _complain(outcome.message)
        return _BAD[outcome.status]
    print(outcome.folder)
    return DONE


def _sweep(overrides: Sequence[str]) -> int:
    from mapga.commands.sweep import sweep

    outcomes, results = sweep(overrides)
    for outcome in outcomes:
        if outcome.message:
            _complain(f"{outcome.status} {Path(outcome.folder).name}: {outcome.message}")
    counts = Counter(outcome.status for outcome in outcomes)
    _errors.print(f"{len(outcomes)} runs: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    print(results)
    if counts["interrupted"]:
        return EXIT_CODE
    if counts["failed"]:
        return FAILED
    return BAD_INPUT if counts["refused"] else DONE


def _report(arguments: argparse.Namespace) -> int:
    from mapga.report import write_report

    print(write_report(arguments.folder, images=arguments.images))
    return DONE


def _plan(arguments: argparse.Namespace) -> int:
    from mapga.commands.plan import heading, line, plan, totals

    print(heading(), flush=True)
    runs = plan(arguments.overrides, lambda run: print(line(run), flush=True))
    print("\n".join(totals(runs)))
    return DONE


def _status(arguments: argparse.Namespace) -> int:
    from mapga.commands.status import status_view

    if not arguments.folder.is_dir():
        raise ConfigError(f"{arguments.folder} is not a folder; name the results_dir of your runs")
    console = Console(width=None if Console().is_terminal else 160)
    view, counts = status_view(arguments.folder)
    if arguments.watch:
        with Live(view, console=console, auto_refresh=False) as live:
            while counts["running"]:
                time.sleep(2)
                view, counts = status_view(arguments.folder)
                live.update(view, refresh=True)
    else:
        console.print(view)
    return DONE


def _sync(arguments: argparse.Namespace) -> int:
    from mapga.commands.sync import sync

    troubles = sync(arguments.folder, mode=arguments.mode, say=print)
    for trouble in troubles:
        _complain(trouble)
    return FAILED if troubles else DONE


def _export(arguments: argparse.Namespace) -> int:
    from mapga.report import export_images

    print(export_images(arguments.folder, arguments.to))
    return DONE


def _train(arguments: argparse.Namespace) -> int:
    from mapga.commands.train import train

    print(train(arguments.overrides, lambda line: _errors.print(line, markup=False)))
    return DONE


def _prefetch(arguments: argparse.Namespace) -> int:
    from mapga.commands.prefetch import needs, obtain

    found = needs(arguments.overrides)
    if not found:
        print("nothing is needed from elsewhere")
    if arguments.list:
        for need in found:
            print(f"{need.key}: {need.what}: {'here' if need.problem is None else need.problem}")
        return DONE
    failures = obtain(found, print)
    for failure in failures:
        _complain(failure)
    return FAILED if failures else DONE


def _doctor(arguments: argparse.Namespace) -> int:
    from mapga.commands.doctor import examine
    from mapga.commands.prefetch import needs

    examine(arguments.overrides, needs(arguments.overrides))
    return DONE


def _complain(message: str) -> None:
    _errors.print("mapga: " + " ".join(message.split()), markup=False, style="red")


if __name__ == "__main__":
    sys.exit(main())
