"""The groups of conf/ as a person reads them: their names, their choices, and what each choice is. Imports no hydra."""

from __future__ import annotations

from typing import Any

import yaml

from mapga.config.files import conf_dir, options, paths
from mapga.errors import ConfigError, closest

__all__ = ["GROUPS", "about", "brought", "group_of", "keys", "stated_by", "usual"]

GROUPS = (
    "dataset", "task", "solver", "step", "prior", "schedule",
    "metrics", "tracker", "experiment", "budget", "protocol", "mode",
)  # fmt: skip


def group_of(word: str) -> str:
    """The group that a word names, one or several of it: ``solver``, ``solvers``.

    Raises:
        ConfigError: There is none.
    """
    known = {name: group for group in GROUPS for name in (group, f"{group}s")}
    if word not in known:
        raise ConfigError(f"there is no group {word!r}{closest(word, list(known))} choose {', '.join(GROUPS)}")
    return known[word]


def about(group: str, name: str) -> str:
    """What a choice is, by the comment that its file begins with."""
    lines = []
    for line in _text(group, name).splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def stated_by(group: str, name: str) -> dict[str, Any]:
    """What a choice's own file states, as it is written.

    Raises:
        ConfigError: There is no such choice.
    """
    return yaml.safe_load(_text(group, name)) or {}


def brought(group: str, by: str, name: str) -> str | None:
    """The choice of a group that another group's choice brings along, as ``solver=map_gn_fast`` its levels."""
    entries = [one for one in stated_by(by, name).get("defaults", ()) if isinstance(one, dict)]
    return next((str(one[key]) for one in entries for key in one if key.startswith(f"override /{group}@")), None)


def usual(group: str) -> str:
    """What a run has of a group where nobody says otherwise."""
    entries = yaml.safe_load((conf_dir() / "run.yaml").read_text(encoding="utf-8"))["defaults"]
    return next(str(one[group]) for one in entries if isinstance(one, dict) and group in one)


def keys() -> dict[str, str]:
    """The keys of a run that are no groups, each with the comment beside it."""
    text = (conf_dir() / "run.yaml").read_text(encoding="utf-8")
    own = [key for key in yaml.safe_load(text) if key not in ("defaults", "hydra")]
    lines = {line.partition(":")[0]: line.partition(" # ")[2].strip() for line in text.splitlines()}
    return {key: lines[key] for key in own}


def _text(group: str, name: str) -> str:
    found, known = paths(group, name), options(group)
    if not found:
        raise ConfigError(f"there is no {group}={name}{closest(name, known)} choose {', '.join(known)}")
    return found[0].read_text(encoding="utf-8")
