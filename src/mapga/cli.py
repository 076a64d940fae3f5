"""``mapga <command>``: what a person types. Exit codes: 0 done, 2 bad input, 1 failed or lost, 75: again, to go on."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from mapga.commands.unforeseen import unforeseen
from mapga.errors import bad_input, told
from mapga.run.signals import EXIT_CODE, InterruptedRun
from mapga.terminal import parts, results, runs
from mapga.terminal.naming import located
from mapga.terminal.parser import BAD_INPUT, parse, parser
from mapga.terminal.voice import complain, set_level

__all__ = ["main"]

DONE, FAILED = 0, 1

_ANSWERS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "run": runs.run, "plan": runs.plan, "score": runs.score, "train": runs.train, "verify": runs.verify,
    "report": results.report, "compare": results.compare, "bundle": results.bundle, "status": results.status,
    "ls": results.ls, "sync": results.sync, "export": results.export,
    "list": parts.listing, "show": parts.show, "prefetch": parts.prefetch, "check": parts.check,
    "doctor": parts.doctor, "completion": parts.completion, "complete": parts.complete,
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parse(given)
    set_level(getattr(arguments, "level", None))
    if arguments.command is None:
        print(parser()[0].format_help(), end="")
        return DONE
    try:
        if hasattr(arguments, "folder"):
            arguments.folder = located(arguments.folder)
        with _own_configs(arguments):
            code = _ANSWERS[arguments.command](arguments)
            sys.stdout.flush()
    except InterruptedRun as error:
        complain(str(error))
        return EXIT_CODE
    except KeyboardInterrupt:
        complain("interrupted; the same command continues where it stopped")
        return EXIT_CODE
    except Exception as error:
        if not isinstance(error, BrokenPipeError):  # who read what is printed has seen enough
            complain(told(error) or unforeseen(error))
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


if __name__ == "__main__":
    sys.exit(main())
