"""The files of conf/ and of folders like it: where they lie, the names of their groups, the keys that each states.

Other folders are those that packages bring (``mapga.plugins``) and one of a person's own, ``MAPGA_CONF``, which
``--config-dir`` sets. No file of theirs can take the place of one of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mapga.errors import ConfigError
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node, Slot, metric
from mapga.plugins import conf_folders

__all__ = [
    "OWN_CONF",
    "check_tuned",
    "collisions",
    "conf_dir",
    "conf_dirs",
    "options",
    "own_conf",
    "paths",
    "stated",
    "twice",
    "use_conf",
]

OWN_CONF = "MAPGA_CONF"


@cache
def conf_dir() -> Path:
    """The folder of config groups: in the package of an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parents[1] / "conf"


@contextmanager
def use_conf(folder: Path | None) -> Iterator[None]:
    """Look into a folder of a person's own config groups too, here and in processes that are started from here.

    Args:
        folder: None changes nothing.
    """
    before = os.environ.get(OWN_CONF)
    if folder is not None:
        os.environ[OWN_CONF] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(OWN_CONF, None)
        if before is not None:
            os.environ[OWN_CONF] = before


def own_conf() -> Path | None:
    """The folder of a person's own config groups; None where there is none.

    Raises:
        ConfigError: It is not there.
    """
    if not (own := os.environ.get(OWN_CONF)):
        return None
    if not Path(own).is_dir():
        raise ConfigError(f"--config-dir {own} ({OWN_CONF}): no such folder; name one that holds groups, as solver/")
    return Path(own).absolute()


def conf_dirs() -> list[Path]:
    """All folders of config groups: ours, those of other packages, a person's own."""
    own = own_conf()
    return [conf_dir(), *conf_folders(), *([own] if own else [])]


def options(group: str) -> list[str]:
    """The names of a config group's files; empty for what is no group."""
    return sorted({path.stem for folder in conf_dirs() for path in (folder / group).glob("*.yaml")})


def paths(group: str, name: str) -> list[Path]:
    """Where a file of a group lies: more than one place is one too many."""
    return [path for folder in conf_dirs() if (path := folder / group / f"{name}.yaml").is_file()]


def twice(group: str, name: str) -> str | None:
    """What to do about a file that is in two folders; None about one that is not."""
    if len(found := paths(group, name)) < 2:
        return None
    whose = next((f", {one}" for folder, one in conf_folders().items() if found[1].is_relative_to(folder)), "")
    return f"{group}={name}: {found[0]} and {found[1]} have one name; rename the second{whose}"


def collisions() -> list[str]:
    """A line for each file of another folder that has the name of one that comes first."""
    found = [path.relative_to(folder) for folder in conf_dirs()[1:] for path in sorted(folder.rglob("*.yaml"))]
    told = (twice(str(path.parent), path.stem) for path in found)
    return list(dict.fromkeys(line for line in told if line))


def stated(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A run's config in one spelling, so that a default has one id whether it is written, added or deleted.

    The arguments that a component's own file states are stated, with their default where they were deleted; another one
    is stated where it is not the default. A component whose file is none of ours stays as it is.

    Raises:
        ConfigError: A node that stands for no component.
    """
    found = dict(config)
    for slot in (DATASET, PRIOR, SOLVER, SCHEDULE):
        found[slot.key] = _spelt(slot, config[slot.key], _file(slot.key, names[slot.key]))
    task, own = dict(config["task"]), _file("task", names["task"])
    found["task"] = task | {"operator": _spelt(OPERATOR, task["operator"], own.get("operator"))}
    chosen = options("metrics") if names["metrics"] == "none" else [names["metrics"]]  # of several none has the name
    files = {key: node for name in chosen for key, node in _file("metrics", name).items()}
    if config["metrics"]:
        found["metrics"] = {key: _spelt(metric(key), node, files.get(key)) for key, node in config["metrics"].items()}
    return found


def check_tuned(config: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Refuse settings that were tuned (conf/tuned/<experiment>-<solver>.yaml) and that change what a run may spend.

    Raises:
        ConfigError: Naming the file and the key.
    """
    name = f"{names['experiment']}-{names['solver']}"
    tuned = _file("tuned", name)
    changed: list[str] = [key for key in ("passes", "equal_passes") if key in tuned]
    if config["equal_passes"] is not None and "steps" in tuned.get("schedule", {}):
        changed.append("schedule.steps")  # which follow from the passes
    if changed:
        raise ConfigError(
            f"conf/tuned/{name}.yaml sets {changed[0]}, but tuned settings may not change what a run spends; take it "
            "out, and state the budget in the experiment"
        )


def _spelt(slot: Slot, node: Any, own: Any) -> Any:
    if not own or not isinstance(node, Mapping) or node.keys() == own.keys():
        return node
    read = Node.read(slot, node)
    default = {key: value for key, value in read.defaults.items() if key not in read.card.given}
    usual = {key for key in node if key in default and key not in own and read.arguments[key] == default[key]}
    deleted = {key: default[key] for key in own if key not in node and key in default}
    return {key: value for key, value in node.items() if key not in usual} | deleted


def _file(group: str, name: str) -> dict[str, Any]:
    """What a file of a group states itself; nothing where there is no such file here."""
    found = paths(group, name)
    return _read(found[0]) if found else {}


@cache
def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
