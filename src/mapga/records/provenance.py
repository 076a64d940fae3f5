"""Where a result came from: code, versions, machine."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mapga import __version__, plugins
from mapga.config.files import conf_dirs
from mapga.files.address import shown

__all__ = ["code_identity", "provenance", "results_code", "scoring_code", "submitted_code"]

_PACKAGE = Path(__file__).parents[1]

# What an image passes on its way to a number: the rooms with their data, and a run at work. Not: how configs are
# composed (their values are in the run's id), what is shown, reported, tracked or trained. A comment counts: whether a
# change matters is not for a program to say.
_RESULTS = ("datasets", "metrics", "operators", "posteriors", "priors", "schedules", "solvers", "run")
_RESULTS_ALONE = ("pixels.py", "problem.py", "rng.py")
_SCORES = ("metrics", "operators", "posteriors")  # of these what a number passes on its way, from stored pixels on
_SCORES_ALONE = (
    *("pixels.py", "problem.py", "rng.py"),
    *("run/scoring.py", "run/sequence_scores.py", "run/set_scores.py", "run/spread_scores.py"),
)
_READ = (".py", ".csv", ".json", ".safetensors", ".yaml")

_HOST = "MAPGA_RECORD_HOST"
_AT_LEAST = ("torch", "numpy")  # of a checkout that was never installed, nobody knows what it requires


def provenance(machine: Mapping[str, Any], packages: Iterable[str] = ()) -> dict[str, Any]:
    """When and by what command a run was begun, by which code, under which versions, and on what kind of machine.

    Readers take a key that is not there for not known: files of earlier versions have fewer.

    Args:
        machine: What the run computes with. The machine's name is noted only if ``MAPGA_RECORD_HOST`` is 1.
        packages: Others that bring components of it.
    """
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": [shown(argument) for argument in sys.argv],
        "mapga": __version__,
        "git": _git(),
        "code": results_code(packages),
        "sources": code_identity(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node() if os.environ.get(_HOST) == "1" else None,
        **machine,
        "versions": _versions(),
    }


def submitted_code() -> dict[str, Any]:
    """What code a sweep is submitted under: commit and dirty flag, and the hash that jobs are held to."""
    return {"git": _git(), "sources": code_identity()}


def results_code(packages: Iterable[str] = ()) -> dict[str, str]:
    """By package twelve hex digits of the SHA-256 of what can change a result, as it was when this process first asked.

    Runs are compared by it.

    Args:
        packages: Others that bring components; one that is not installed has no digits.
    """
    return {"mapga": _own_code(_RESULTS, _RESULTS_ALONE), **_code_of_all(packages)}


def scoring_code(packages: Iterable[str] = ()) -> dict[str, str]:
    """The same of what can change a number of stored pixels."""
    return {"mapga": _own_code(_SCORES, _SCORES_ALONE), **_code_of_all(packages)}


@functools.cache
def _own_code(rooms: tuple[str, ...], alone: tuple[str, ...]) -> str:
    own = [path for room in rooms for path in (_PACKAGE / room).rglob("*") if path.suffix in _READ]
    return _hash(_PACKAGE, [*own, *(_PACKAGE / name for name in alone)])


def _code_of_all(packages: Iterable[str]) -> dict[str, str]:
    return {name: _code_of(name) for name in sorted(set(packages) - {"mapga"})}


@functools.cache
def _code_of(package: str) -> str:
    """Of the modules that a package brings components in, but for the folders of its configs."""
    tops, configs = plugins.sources(package), plugins.conf_folders()
    inside = [(top, path) for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    read = [(top, path) for top, path in inside if path.suffix in _READ and not configs.keys() & {*path.parents}]
    hashes = [_hash(top.parent, [path for of, path in read if of == top]) for top in tops]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:12] if tops else ""


@functools.cache
def code_identity() -> str:
    """Twelve hex digits of the SHA-256 of all sources and config files, as they were when this process first asked.

    Ours, those of packages that declare components or configs, and a person's own configs.

    It tells apart what a commit and a dirty flag do not: two states of a checkout that is being worked on. Sweeps and
    their jobs are held to it, since configs decide what they are made of.
    """
    roots = (_PACKAGE, _PACKAGE.parents[1] / "conf")  # a checkout keeps conf there, a wheel inside the package
    hashes = [_hash(root, (path for path in root.rglob("*") if path.suffix in (".py", ".yaml"))) for root in roots]
    others = [_hash(root, root.rglob("*.yaml")) for root in conf_dirs()[1:]]
    brought = results_code(one.package for room in plugins.ROOMS for one in plugins.declared(room))
    return hashlib.sha256("".join([*hashes, *others, *map(str, list(brought.items())[1:])]).encode()).hexdigest()[:12]


def _hash(root: Path, paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return total.hexdigest()[:12]


@functools.cache
def _versions() -> dict[str, str]:
    """The versions of everything that the package requires, extras included, as far as it is installed."""
    try:
        required = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in importlib.metadata.requires("mapga") or ()]
    except importlib.metadata.PackageNotFoundError:
        required = []
    versions = {}
    for package in sorted({*required, *_AT_LEAST} - {"mapga"}):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _git() -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout that this package runs from, or that it was built of; None if neither."""
    here = Path(__file__).parent

    def ask(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        if ask("ls-files", Path(__file__).name):
            return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        built: dict[str, Any] = json.loads(
            (_PACKAGE / "commit.json").read_text(encoding="utf-8")
        )  # commit_hook.py wrote it
    except (OSError, ValueError):
        return None
    return built
