"""What other packages declare by entry points: components, and folders of configs. Read without importing any of them.

A package says in its pyproject.toml::

    [project.entry-points."mapga.solvers"]  # or .operators, .priors, .datasets, .metrics
    DDNM = "mypackage.ddnm:DDNM"  # a config names it mapga.solvers.DDNM

    [project.entry-points."mapga.conf"]
    mypackage = "mypackage.conf"  # a folder with solver/ddnm.yaml, task/..., found beside ours

A module of such a package is imported when a config names its component, and not before.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from mapga.errors import ConfigError

__all__ = ["CONF", "ROOMS", "Declared", "component", "conf_folders", "declared", "faults", "sources"]

ROOMS = ("mapga.solvers", "mapga.operators", "mapga.priors", "mapga.datasets", "mapga.metrics")
CONF = "mapga.conf"


@dataclass(frozen=True)
class Declared:
    """An entry point of an installed package.

    Attributes:
        group: The room that it is for, or ``mapga.conf``.
        name: What it is called in it.
        value: Where it is: ``module:Class``, or a package that is a folder of configs.
        package, version: Of the distribution that declares it.
    """

    group: str
    name: str
    value: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"entry point {self.name!r} of {self.group} in package {self.package} {self.version}"

    @property
    def origin(self) -> str:
        """``<package> <version>``, which stands in the identity of what it is part of."""
        return f"{self.package} {self.version}"

    @property
    def module(self) -> str:
        """The dotted name of what it is in."""
        return self.value.partition(":")[0].strip()

    def load(self) -> object:
        """What it names.

        Raises:
            ConfigError: It cannot be imported, whatever its module does.
        """
        try:
            return EntryPoint(self.name, self.value, self.group).load()
        except (Exception, SystemExit) as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raise ConfigError(
                f"{self} cannot be imported: {type(error).__name__}: {error} ({frame.filename}, line {frame.lineno}); "
                f"mend the package, or pip uninstall {self.package}"
            ) from error


def declared(group: str) -> list[Declared]:
    """What installed packages declare for a room, by name."""
    return [one for one in _declared(tuple(sys.path)) if one.group == group]


def component(room: str, name: str, ours: Collection[str]) -> Declared | None:
    """The one entry point of a room with a name; None if nobody declares it.

    Args:
        room: Its package.
        name: Looked for.
        ours: The names of the room's own components: none of them can be replaced.

    Raises:
        ConfigError: Two of one name.
    """
    found = [one for one in declared(room) if one.name == name]
    if found and name in ours:
        raise ConfigError(
            f"{found[0]} has the name of one of ours; pip uninstall {found[0].package}, or rename it there"
        )
    if len(found) > 1:
        other = found[1].origin
        raise ConfigError(f"{found[0]} has the name of one in package {other}; pip uninstall one, or rename it there")
    return found[0] if found else None


def conf_folders() -> dict[Path, Declared]:
    """The folders of configs that packages bring, as far as they are there."""
    places = {_place(one.module): one for one in declared(CONF)}
    return {place: one for place, one in places.items() if place is not None and place.is_dir()}


def faults() -> list[str]:
    """A line for each folder of configs that a package declares and does not bring."""
    here = conf_folders().values()
    return [f"{one}: {one.module} is no folder; mend the package" for one in declared(CONF) if one not in here]


def sources(package: str) -> list[Path]:
    """The files and folders of the top-level modules that a package declares components in."""
    tops = {one.module.partition(".")[0] for room in ROOMS for one in declared(room) if one.package == package}
    return [place for top in sorted(tops) if (place := _place(top)) is not None]


def _place(module: str) -> Path | None:
    """The file or folder of a module, found without importing it; None where there is none."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    roots = spec.submodule_search_locations or ([] if rest or spec.origin is None else [spec.origin])
    return next((path for root in roots if (path := Path(root, *rest)).exists()), None)


@cache
def _declared(path: tuple[str, ...]) -> list[Declared]:
    """All that is declared on a ``sys.path``, for which some ten milliseconds are spent once."""
    known = entry_points()
    found = [
        Declared(one.group, one.name, one.value, one.dist.name, one.dist.version)
        for group in (*ROOMS, CONF)
        for one in known.select(group=group)
        if one.dist is not None
    ]
    return sorted(found, key=lambda one: (one.group, one.name, one.package))
