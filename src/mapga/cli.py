"""``mapga <command>``: what a person types. Exit codes: 0 done, 2 bad input, 1 failed or lost, 75: again, to go on."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.live import Live

from mapga import __version__
from mapga.commands.unforeseen import unforeseen
from mapga.errors import ConfigError, bad_input, told
from mapga.run.signals import EXIT_CODE, InterruptedRun, listening

__all__ = ["main"]

_Command = Callable[[argparse.Namespace], int]

_errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

DONE, FAILED, BAD_INPUT = 0, 1, 2
_LONGEST = 300  # characters of a word that is printed whole

_OF_RUN = (
    "Restore the images of a dataset and score them. Overrides are Hydra's: task=half solver=ddrm schedule.steps=50. "
    "With -m, lists are swept: task=box50,half solver=map_ga,pgdm."
)
_OF_CONFIG_DIR = "a folder of YAML of your own, such as solver/mine.yaml, beside ours (MAPGA_CONF)"
_OF_PLAN = "List the runs that 'mapga run -m' with the same overrides would launch, and what is left of them."
_OF_SCORE = (
    "Score finished runs by more metrics, from what is stored: nothing is solved, and numbers that are there stay. "
    "Example: mapga score results metrics=paper metrics.fid_clean.reference=training. With redo=true, numbers that "
    "other sources made are made again."
)
_OF_TRAIN = (
    "Train what a recipe of conf/train describes, or go on with it: mapga train prior=mnist, or "
    "mapga train dataset=image_folder dataset.root=... heldout.root=... stages.denoiser.steps=..."
)
_OF_FETCH = "Fetch what a run needs: mapga prefetch experiment=... | dataset=... | prior=... | metrics=..."
_OF_CHECK = "Check a component of your own: mapga check solver=... | task=... | dataset=... | prior=... | metrics=..."
_BAD = {"failed": FAILED, "lossy": FAILED, "refused": BAD_INPUT, "skipped": BAD_INPUT, "interrupted": EXIT_CODE,
        "locked": EXIT_CODE}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    arguments = _parse(argv)
    try:
        with _own_configs(arguments):
            code = int(arguments.command(arguments))
            sys.stdout.flush()
    except InterruptedRun as error:
        _complain(str(error))
        return EXIT_CODE
    except KeyboardInterrupt:
        _complain("interrupted; the same command continues where it stopped")
        return FAILED
    except Exception as error:
        if not isinstance(error, BrokenPipeError):  # who read what is printed has seen enough
            _complain(told(error) or unforeseen(error))
        _let_go_of_stdout()
        return BAD_INPUT if bad_input(error) else FAILED
    return code


def _own_configs(arguments: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """The folder of ``--config-dir`` is looked into by a command and its jobs."""
    folder = getattr(arguments, "config_dir", None)
    if folder is None:
        return contextlib.nullcontext()
    from mapga.config.files import use_conf

    return use_conf(folder.expanduser().absolute())


def _let_go_of_stdout() -> None:
    """Where what is printed cannot be written, the interpreter must not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):  # a stdout without a descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; '{self.prog} --help' says what there is")
        self.exit(BAD_INPUT)


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
    parser = _Parser(prog="mapga", description="Restoration with diffusion priors: runs and reports.")
    parser.add_argument("--version", action="version", version=f"mapga {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def composing(name: str, does: str, run: _Command, more: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=does, description=more or None)
        command.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
        command.add_argument("--config-dir", type=Path, metavar="DIR", help=_OF_CONFIG_DIR)
        command.set_defaults(command=run)
        return command

    def reading(name: str, does: str, run: _Command, folder: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=does)
        command.add_argument("folder", type=Path, help=folder)
        command.set_defaults(command=run)
        return command

    run = composing("run", "restore images and score them", _run, _OF_RUN)
    run.add_argument("-m", "--multirun", action="store_true", help="sweep over comma-separated values")
    run.add_argument("--cfg", action="store_true", help="print the composed config and stop")
    composing("plan", "the runs of a sweep: done, running, pending; passes and hours left", _plan, _OF_PLAN)
    composing("train", "train a denoiser and a consistency model", _train, _OF_TRAIN)
    prefetch = composing(
        "prefetch", "fetch the files that a run needs into the cache (MAPGA_CACHE)", _prefetch, _OF_FETCH
    )
    prefetch.add_argument("--list", action="store_true", help="only say what is needed and whether it is here")
    composing("check", "try whether components are what the suite takes for granted", _check, _OF_CHECK)
    composing("doctor", "versions, devices, and which solver can serve which task", _doctor)

    report = reading("report", "tables and pictures of the runs below a folder", _report, "a results folder")
    report.add_argument("--images", type=int, default=8, help="images in the grid (default 8)")
    status = reading("status", "how far the runs below a folder are", _status, "a results folder")
    status.add_argument("--watch", action="store_true", help="refresh every two seconds until all have ended")
    sync = reading("sync", "mirror finished runs to Weights & Biases, from their journals", _sync, "a results folder")
    modes = ("auto", "online", "offline")
    sync.add_argument("--mode", choices=modes, default=None, help="default: as the run's config")
    verify = reading("verify", "compare what runs have stored with what they recorded", _verify, "a results folder")
    again = "solve N images of each finished run again, and compare their pixels"
    verify.add_argument("--replay", type=int, default=0, metavar="N", help=again)
    score = commands.add_parser("score", help="numbers by other metrics, from what is stored", description=_OF_SCORE)
    score.add_argument("folder", type=Path, help="a results folder, or a run's")
    score.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    score.add_argument("--config-dir", type=Path, metavar="DIR", help=_OF_CONFIG_DIR)
    score.set_defaults(command=_score)
    export = reading("export", "write a run's restored images as PNG files", _export, "a run's folder")
    export.add_argument("--to", type=Path, default=None, help="where to (default: png/ in the run's folder)")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    if arguments.multirun and not arguments.cfg:
        return _sweep(arguments.overrides)
    with listening():  # from here on: libraries take seconds to import
        from mapga.config.compose import compose_run, spec_of

        spec = spec_of(compose_run(arguments.overrides))
        if arguments.cfg:
            import yaml

            print(yaml.safe_dump(dict(spec.config), sort_keys=False), end="")
            return DONE
        from mapga.commands.run import run_one

        outcome = run_one(spec)
    if outcome.warning:
        _warn(outcome.warning)
    if outcome.message and outcome.status in _BAD:
        _complain(outcome.message)
    if outcome.status in ("done", "partial", "lossy"):
        print(outcome.folder)
    return _BAD.get(outcome.status, DONE)


def _sweep(overrides: Sequence[str]) -> int:
    with listening() as notice:
        from mapga.commands.sweep import sweep
    notice.check()
    outcomes, results = sweep(overrides)
    for outcome in outcomes:
        if outcome.warning:
            _warn(outcome.warning)
        if outcome.message:
            _complain(f"{outcome.status} {Path(outcome.folder).name}: {outcome.message}")
    counts = Counter(outcome.status for outcome in outcomes)
    line = f"{len(outcomes)} runs: " + ", ".join(f"{n} {status}" for status, n in counts.items())
    before = sum(outcome.before for outcome in outcomes)
    _errors.print(line + (f" ({before} were finished before)" if before else ""))
    print(results)
    if counts["interrupted"]:
        return EXIT_CODE
    if counts["failed"] or counts["lossy"]:
        return FAILED
    if counts["refused"]:
        return BAD_INPUT
    return EXIT_CODE if counts["locked"] else DONE


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
    console = Console(width=None if Console().is_terminal else 160, emoji=False)
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


def _verify(arguments: argparse.Namespace) -> int:
    from mapga.commands.verify import verify

    return FAILED if verify(arguments.folder, arguments.replay, print) else DONE


def _score(arguments: argparse.Namespace) -> int:
    with listening():  # from here on: libraries take seconds to import
        from mapga.commands.score import score

        refused, locked = score(arguments.folder, arguments.overrides, lambda line: print(line, flush=True))
    for line in [*refused, *locked]:
        _complain(line)
    return BAD_INPUT if refused else EXIT_CODE if locked else DONE


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


def _check(arguments: argparse.Namespace) -> int:
    from mapga.commands.check import check

    return FAILED if check(arguments.overrides, print) else DONE


def _doctor(arguments: argparse.Namespace) -> int:
    from mapga.commands.doctor import examine
    from mapga.commands.prefetch import needs

    examine(arguments.overrides, needs(arguments.overrides))
    return DONE


def _warn(message: str) -> None:
    _errors.print("mapga: " + " ".join(message.split()), markup=False, style="yellow")


def _complain(message: str) -> None:
    words = (word if len(word) <= _LONGEST else f"{word[:40]}...{word[-40:]}" for word in message.split())
    _errors.print("mapga: " + " ".join(words), markup=False, style="red")


if __name__ == "__main__":
    sys.exit(main())
