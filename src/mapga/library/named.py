"""A component of conf/ by its name, with keywords in place of what its file states: what Hydra does for a run."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mapga.config.files import conf_dir, options, paths, twice
from mapga.errors import ConfigError, closest
from mapga.files.plain_yaml import from_yaml
from mapga.node import Node, Slot

__all__ = ["brought", "component", "default", "stated"]

_ABSENT = "???"  # what Hydra calls a value that a person has to give
_TAKEN = re.compile(r"\$\{(\w+)\}")  # from a key of the run


def component(slot: Slot, own: Mapping[str, Any], keywords: Mapping[str, Any]) -> Node:
    """A component as its file states it, with keywords in place of that.

    Raises:
        ConfigError: As ``Node.read``.
    """
    return Node.read(slot, {**own, **{key: _plain(value) for key, value in keywords.items()}})


def default(group: str) -> str:
    """What conf/run.yaml chooses in a group."""
    chosen = [item[group] for item in _run()["defaults"] if isinstance(item, Mapping) and group in item]
    return str(chosen[0])


def brought(group: str, name: str, other: str) -> str:
    """What a file of a group chooses in another one; what conf/run.yaml does where it chooses nothing."""
    own = from_yaml(paths(group, name)[0].read_text(encoding="utf-8")) or {}
    chosen = {
        key: value for item in own.get("defaults", []) if isinstance(item, Mapping) for key, value in item.items()
    }
    return str(chosen.get(f"override /{other}@_global_.{other}") or default(other))


def stated(group: str, name: str) -> dict[str, Any]:
    """What a file of a group states: values of the run's keys filled in, and none that is left to be given.

    Raises:
        ConfigError: There is none of that name, or two.
    """
    known = options(group)
    if name not in known:
        raise ConfigError(
            f"{group}={name!r}: there is none of that name{closest(str(name), known)} choose {', '.join(known)}"
        )
    if wrong := twice(group, name):
        raise ConfigError(wrong)
    own = from_yaml(paths(group, name)[0].read_text(encoding="utf-8")) or {}
    filled = {key: _filled(value) for key, value in own.items() if key != "defaults"}
    return {key: value for key, value in filled.items() if value != _ABSENT}


def _filled(value: Any) -> Any:
    taken = _TAKEN.fullmatch(value) if isinstance(value, str) else None
    return _run().get(taken[1], _ABSENT) if taken else value  # a component of the run is to be given


def _plain(value: Any) -> Any:
    """As a file would have it: a path as text, a number of numpy as a number."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value


@cache
def _run() -> dict[str, Any]:
    run: dict[str, Any] = from_yaml((conf_dir() / "run.yaml").read_text(encoding="utf-8"))
    return run
