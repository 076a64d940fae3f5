"""``list``, ``show``, ``prefetch``, ``check``, ``doctor``, ``completion``: what there is, and what is missing."""

from __future__ import annotations

import argparse
from pathlib import Path

from mapga.terminal.completion import SCRIPTS, candidates
from mapga.terminal.naming import located
from mapga.terminal.voice import complain

__all__ = ["check", "complete", "completion", "doctor", "listing", "prefetch", "show"]

DONE, FAILED = 0, 1


def listing(arguments: argparse.Namespace) -> int:
    from mapga.commands.show import choices

    for line in choices(arguments.group):
        print(line)
    return DONE


def show(arguments: argparse.Namespace) -> int:
    from mapga.commands.show import component
    from mapga.terminal.endings import shown

    named = arguments.component
    is_run = "=" not in named or Path(named).exists()
    for line in shown(located(Path(named))) if is_run else component(named):
        print(line)
    return DONE


def completion(arguments: argparse.Namespace) -> int:
    print(SCRIPTS[arguments.shell], end="")
    return DONE


def complete(arguments: argparse.Namespace) -> int:
    for one in candidates(arguments.words):
        print(one)
    return DONE


def prefetch(arguments: argparse.Namespace) -> int:
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
        complain(failure)
    return FAILED if failures else DONE


def check(arguments: argparse.Namespace) -> int:
    from mapga.commands.check import check

    return FAILED if check(arguments.overrides, print) else DONE


def doctor(arguments: argparse.Namespace) -> int:
    from mapga.commands.doctor import examine
    from mapga.commands.prefetch import needs

    examine(arguments.overrides, needs(arguments.overrides))
    return DONE
