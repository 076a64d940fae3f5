"""The commands and their options. Which function answers a command says ``mapga.cli``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from mapga import __version__
from mapga.errors import closest
from mapga.terminal.naming import RESULTS
from mapga.terminal.voice import QUIET, VERBOSE, complain

__all__ = ["BAD_INPUT", "Parser", "options", "parse", "parser"]

BAD_INPUT = 2

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
_OF_LS = "List the runs of a folder, the latest last: mapga ls results solver=ddrm schedule.steps=50 --metric ssim"
_OF_SHOW = (
    "Of a component its source, equations, arguments and defaults, what it costs and serves; of a run its numbers, "
    "choices and command. A run is named by its folder, or by the beginning of its id or hash."
)
_EXAMPLES = (
    "",
    "examples:",
    "  mapga run task=half solver=pgdm schedule.steps=50 task.sigma_y=0.05",
    "  mapga run -m task=box50,half solver=map_ga,ddrm seed=range(3)",
    "  mapga run -m experiment=demo results_dir=results/demo",
    "",
    "mapga show solver=pgdm says what one is; mapga run --cfg prints every key of a run",
)
_OF_FOLDER = "a results folder (default: results)"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as everything else does; ``more`` is added to its help when that is asked for."""

    more: Callable[[], str] | None = None

    def error(self, message: str) -> NoReturn:
        self._refuse(f"{message};")

    def refuse(self, what: str, word: str, known: Sequence[str]) -> NoReturn:
        """End with what is wrong, and which of what is known comes nearest to a word."""
        self._refuse(what + closest(word, known))

    def _refuse(self, line: str) -> NoReturn:
        complain(f"{line} '{self.prog} --help' says what there is")
        self.exit(BAD_INPUT)

    def format_help(self) -> str:
        return super().format_help() + ("" if self.more is None else f"\n{self.more()}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, with overrides on either side of an option (argparse alone takes one side only)."""
    whole, commands = parser()
    if argv and not argv[0].startswith("-") and argv[0] not in commands:
        whole.refuse(f"there is no command {argv[0]!r}", argv[0], list(commands))
    arguments, rest = whole.parse_known_args(argv)
    overrides = getattr(arguments, "overrides", None)
    strange = [text for text in rest if text.startswith("-")]
    if rest and (overrides is None or strange):
        command, first = commands.get(arguments.command, whole), (strange or rest)[0]
        if first in options(command):
            command.error(f"{first} stands after the command: mapga {arguments.command} {first}")
        command.refuse(f"unrecognized arguments: {' '.join(rest)}", first, options(command))
    if rest:
        arguments.overrides = [*(overrides or []), *rest]
    return arguments


def parser() -> tuple[Parser, dict[str, Parser]]:
    """The whole, whose result says by ``command`` which command it is, and each command's own by name."""
    whole = Parser(prog="mapga", description="Restoration with diffusion priors: runs and reports.")
    whole.add_argument("--version", action="version", version=f"mapga {__version__}")
    adder = whole.add_subparsers(metavar="COMMAND", dest="command")
    commands: dict[str, Parser] = {}

    def adding(name: str, does: str, description: str = "") -> Parser:
        command = commands[name] = adder.add_parser(name, help=does, description=description or f"{does}.")
        loudness = command.add_mutually_exclusive_group()
        loudness.add_argument("-v", "--verbose", dest="level", action="store_const", const=VERBOSE, help="say more")
        loudness.add_argument(
            "-q", "--quiet", dest="level", action="store_const", const=QUIET, help="say warnings and errors alone"
        )
        return command

    def composing(name: str, does: str, description: str = "") -> Parser:
        command = adding(name, does, description)
        command.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
        command.add_argument("--config-dir", type=Path, metavar="DIR", help=_OF_CONFIG_DIR)
        return command

    def reading(name: str, does: str, folder: str = _OF_FOLDER) -> Parser:
        command = adding(name, does)
        if folder == _OF_FOLDER:
            command.add_argument("folder", type=Path, nargs="?", default=RESULTS, help=folder)
        else:
            command.add_argument("folder", type=Path, help=folder)
        return command

    run = composing("run", "restore images and score them", _OF_RUN)
    run.add_argument("-m", "--multirun", action="store_true", help="sweep over comma-separated values")
    run.add_argument("--cfg", action="store_true", help="print the composed config and stop")
    plan = composing("plan", "the runs of a sweep: done, running, pending; passes and time left", _OF_PLAN)
    plan.add_argument("-m", "--multirun", action="store_true", help="taken for granted")
    plan.add_argument("--time", action="store_true", help="measure here what a pass takes, before any run is done")
    ls = adding("ls", "the runs of a folder: settings that differ, a metric, the date", _OF_LS)
    ls.add_argument("overrides", nargs="*", metavar="RESULTS | KEY=VALUE", help=_OF_FOLDER)
    ls.add_argument("--metric", help="the number to show (default: the first there is)")
    listing = adding("list", "what may be chosen in a config: mapga list solvers")
    listing.add_argument("group", nargs="?", help="solvers, tasks, datasets, ...; without it all groups")
    show = adding("show", "what a component or a run is: mapga show solver=pgdm", _OF_SHOW)
    show.add_argument("component", metavar="GROUP=NAME | RUN")
    composing("train", "train a denoiser and a consistency model", _OF_TRAIN)
    prefetch = composing("prefetch", "fetch the files that a run needs into the cache (MAPGA_CACHE)", _OF_FETCH)
    prefetch.add_argument("--list", action="store_true", help="only say what is needed and whether it is here")
    composing("check", "try whether components are what the suite takes for granted", _OF_CHECK)
    composing("doctor", "versions, devices, and which solver can serve which task")

    report = adding("report", "tables, pictures and a page of the runs below folders")
    report.add_argument("folders", type=Path, nargs="*", metavar="folder", help=_OF_FOLDER)
    report.add_argument("--metric", help="what the terminal shows of each study (default: the first; all: every one)")
    report.add_argument("--open", action="store_true", help="show the page in a browser")
    report.add_argument("--to", type=Path, help="where to (default: report/ in the folder; of several, here)")
    report.add_argument("--errors", action="store_true", help="standard errors in the tables for papers, latex/*.tex")
    report.add_argument("--images", type=int, default=8, help="images in the grid (default 8)")
    compare = adding("compare", "the numbers and pixels of the runs that two folders share; exit 1 if they differ")
    compare.add_argument("folder", type=Path, metavar="A")
    compare.add_argument("other", type=Path, metavar="B")
    compare.add_argument("--metric", help="only this one (default: all)")
    compare.add_argument(
        "--tolerance", type=float, default=0.0, help="by how much means may differ, in the metric's unit (default 0)"
    )
    bundle = reading("bundle", "one archive of a results folder, to be reported elsewhere")
    bundle.add_argument("--to", type=Path, help="the archive (default: <folder>.zip here)")
    status = reading("status", "how far the runs below a folder are")
    status.add_argument("--watch", action="store_true", help="refresh every two seconds until all have ended")
    sync = reading("sync", "mirror finished runs to Weights & Biases, from their journals")
    modes = ("auto", "online", "offline")
    sync.add_argument("--mode", choices=modes, default=None, help="default: as the run's config")
    verify = reading("verify", "compare what runs have stored with what they recorded")
    again = "solve N images of each finished run again, and compare their pixels"
    verify.add_argument("--replay", type=int, default=0, metavar="N", help=again)
    score = adding("score", "numbers by other metrics, from what is stored", _OF_SCORE)
    score.add_argument("folder", type=Path, help="a results folder, or a run's")
    score.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    score.add_argument("--config-dir", type=Path, metavar="DIR", help=_OF_CONFIG_DIR)
    export = reading(
        "export", "restored images as PNG files", "a run's folder, or a results folder: of every finished run"
    )
    export.add_argument("--to", type=Path, default=None, help="where to (default: png/<run> beside the run)")
    completion = adding("completion", "completion for your shell, to be sourced")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    commands["complete"] = adder.add_parser("complete")  # for the shells: without help it is not listed
    commands["complete"].add_argument("words", nargs="*")
    run.more = _groups
    return whole, commands


def _groups() -> str:
    """The groups with their options, the other keys, and examples."""
    from mapga.config.files import options as choices
    from mapga.config.groups import GROUPS, keys

    width = max(map(len, keys()))
    lines = ["groups:", *(f"  {group:<{width}}  {' '.join(choices(group))}" for group in GROUPS)]
    lines += ["", "keys:", *(f"  {key:<{width}}  {text}".rstrip() for key, text in keys().items())]
    return "\n".join([*lines, *_EXAMPLES, ""])


def options(command: argparse.ArgumentParser) -> list[str]:
    """The options of a command, as they are typed."""
    return [text for action in command._actions for text in action.option_strings]
