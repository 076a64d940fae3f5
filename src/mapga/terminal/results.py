"""``report``, ``compare``, ``bundle``, ``status``, ``ls``, ``sync``, ``export``: what is made of runs in a folder."""

from __future__ import annotations

import argparse
import time
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.live import Live

from mapga.errors import ConfigError
from mapga.terminal.naming import RESULTS, located
from mapga.terminal.voice import complain

__all__ = ["bundle", "compare", "export", "ls", "report", "status", "sync"]

DONE, FAILED = 0, 1
_WIDE = 160  # columns where there is no terminal


def report(arguments: argparse.Namespace) -> int:
    from mapga.report import write_report

    roots = [located(folder) for folder in arguments.folders or [RESULTS]]
    folder = write_report(
        *roots, to=arguments.to, images=arguments.images, metric=arguments.metric, errors=arguments.errors
    )
    if arguments.open and not webbrowser.open((folder / "index.html").resolve().as_uri()):
        complain(
            f"no browser could be opened; copy {folder / 'index.html'} to where there is one: it is one whole file"
        )
        return FAILED
    return DONE


def status(arguments: argparse.Namespace) -> int:
    from mapga.commands.status import status_view
    from mapga.records.collect import check_folder

    check_folder(arguments.folder)
    console = Console(width=None if Console().is_terminal else _WIDE, emoji=False)
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


def ls(arguments: argparse.Namespace) -> int:
    from mapga.commands.ls import listed

    filters = [text for text in arguments.overrides if "=" in text]
    folders = [Path(text) for text in arguments.overrides if "=" not in text] or [RESULTS]
    if len(folders) > 1:
        raise ConfigError(f"one folder is listed at a time, not {' and '.join(map(str, folders))}")
    table, troubles = listed(folders[0], filters, arguments.metric)
    Console(width=None if Console().is_terminal else _WIDE, emoji=False, highlight=False).print(table)
    for trouble in troubles:
        complain(trouble)
    return DONE


def compare(arguments: argparse.Namespace) -> int:
    from mapga.commands.compare import compared

    if arguments.tolerance < 0:
        raise ConfigError(f"--tolerance={arguments.tolerance:g}: by how much numbers may differ, 0 or more")
    total = beyond = 0
    for line, numbers in compared(arguments.folder, located(arguments.other), arguments.metric):
        print(line)
        for one in numbers:
            wrong = one.beyond(arguments.tolerance)
            total, beyond = total + 1, beyond + wrong
            print(f"{one}{'  DIFFERENT' if wrong else ''}")
    print(f"{total} numbers, {beyond or 'none'} different by more than {arguments.tolerance:g}")
    return FAILED if beyond else DONE


def bundle(arguments: argparse.Namespace) -> int:
    from mapga.commands.bundle import bundle

    print(bundle(arguments.folder, arguments.to))
    return DONE


def sync(arguments: argparse.Namespace) -> int:
    from mapga.commands.sync import sync

    troubles = sync(arguments.folder, mode=arguments.mode, say=print)
    for trouble in troubles:
        complain(trouble)
    return FAILED if troubles else DONE


def export(arguments: argparse.Namespace) -> int:
    from mapga.report import export_images

    print(export_images(arguments.folder, arguments.to))
    return DONE
