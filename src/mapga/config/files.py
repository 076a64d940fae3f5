"""The files of conf/: where they lie, the names of their groups, and the keys that each states."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mapga.errors import ConfigError
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node, Slot, metric

__all__ = ["check_tuned", "conf_dir", "options", "stated"]


def conf_dir() -> Path:
    """The folder of config groups: in the package of an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parents[1] / "conf"


def options(group: str) -> list[str]:
    """The names of a config group's files; empty for what is no group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


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


@cache
def _file(group: str, name: str) -> dict[str, Any]:
    """What a file of a group states itself; nothing where there is no such file here."""
    path = conf_dir() / group / f"{name}.yaml"
    return (yaml.safe_load(path.read_text()) if path.is_file() else None) or {}
