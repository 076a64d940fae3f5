"""The config: Hydra's groups composed, the root's kinds, and plain values of it. Imports no torch.

With ``launch``, ``expansion``, ``grid`` and ``options`` the only files that import hydra.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mapga.config.passes import steps_within
from mapga.errors import ConfigError, closest

__all__ = ["RootConfig", "compose_run", "conf_dir", "group", "not_understood", "one_line", "resolve"]

# By Hydra's names: how the extras that bring them are called here.
_PLUGINS = {"joblib": "joblib", "submitit_slurm": "slurm", "ray": "ray", "optuna": "optuna"}
_NAMED = ("dataset", "task", "prior", "solver", "schedule", "metrics", "tracker", "experiment")


@dataclass
class TaskConfig:
    """A degradation: its operator, and the noise of its measurement."""

    operator: Any = None
    sigma_y: float = 0.0
    sigma_y_unit: str = "[-1,1]"


@dataclass
class RootConfig:
    """The keys of conf/run.yaml and their kinds. Components are checked against their constructors."""

    dataset: Any = None
    task: TaskConfig = field(default_factory=TaskConfig)
    prior: Any = None
    solver: Any = None
    schedule: Any = None
    metrics: Any = None
    tracker: Any = None
    seed: int = 0
    start: str | None = None
    num_iter: int = 1
    passes: int | None = None
    objective: str | None = None
    batch_size: int = 32
    device: str = "auto"
    dtype: str = "float32"
    rounding: str = "round"
    trace: bool = False
    shard: str = "auto"
    results_dir: str = "results"
    allow_code_change: bool = False


ConfigStore.instance().store(name="root", node=RootConfig)


def conf_dir() -> Path:
    """The folder of config groups: beside this file in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parents[1] / "conf"


def compose_run(overrides: Sequence[str]) -> DictConfig:
    """Compose conf/run.yaml with overrides, Hydra's own node included.

    Raises:
        ConfigError: A group, key or value that Hydra refuses, on one line.
    """
    return _compose("run", overrides)


def compose_training(overrides: Sequence[str]) -> dict[str, Any]:
    """Compose conf/training.yaml with overrides, as plain values.

    Raises:
        ConfigError: As ``compose_run``.
    """
    cfg = _compose("training", overrides)
    try:
        plain = OmegaConf.to_container(OmegaConf.masked_copy(cfg, ["train", "tracker", "output", "only"]), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    assert isinstance(plain, dict)
    recipe = str(cfg.hydra.runtime.choices.train)
    return {"recipe": recipe, **{str(key): value for key, value in plain.items()}}


def _compose(name: str, overrides: Sequence[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="mapga"):
            return compose(name, overrides=list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error


def not_understood(overrides: Sequence[str], error: ValueError) -> str:
    """Hydra's ValueErrors do not name the override they are about."""
    return f"one of the overrides {' '.join(overrides)} is not understood: {error}"


def one_line(error: BaseException) -> str:
    """Hydra's many-line messages as one that names the key and the remedy."""
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    if unknown := re.search(r"Key '(\w+)' (?:is not in struct|not in '\w+') full_key: ([\w.]+)", text):
        key = unknown[2]
        if "." in key:
            return f"unknown key '{key}'; 'mapga run --cfg' prints the keys there are"
        known = list(RootConfig.__dataclass_fields__)
        return f"unknown key '{key}'{closest(key, known)} the top-level keys are {', '.join(known)}"
    plugin = re.search(r"Could not (?:find|load) 'hydra/(launcher|sweeper)/(\w+)'", text)
    if plugin and plugin[2] in _PLUGINS:
        extra = _PLUGINS[plugin[2]]
        return f'hydra/{plugin[1]}={extra}: what it needs is not installed; pip install "mapga[{extra}]"'
    if group := re.search(
        r"Could not find '([\w/]+)/([^'/]+)' Available options in '[\w/]+': (.*?) Config search", text
    ):
        where, name, options = group[1], group[2], group[3].split()
        return f"{where}={name}: there is none of that name{closest(name, options)} choose {', '.join(options)}"
    if kind := re.search(r"Value '([^']*)' of type '\w+' could not be converted to (\w+) full_key: ([\w.]+)", text):
        wanted = {"Integer": "a whole number", "Float": "a number", "String": "text"}.get(kind[2], kind[2])
        return f"{kind[3]}={kind[1]!r}: {wanted} is wanted"
    if missing := re.search(r"Missing mandatory value: .*?full_key: ([\w.]+)", text):
        return f"missing key '{missing[1]}': write {missing[1]}=..."
    return text


def resolve(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved config as plain values, with the hashes of its files, and the names of the chosen groups.

    Raises:
        ConfigError: A value that cannot be resolved, or a key that was added (nobody reads it) or deleted.
    """
    check_keys(cfg)
    own = OmegaConf.masked_copy(cfg, list(RootConfig.__dataclass_fields__))
    try:
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    assert isinstance(plain, dict)
    choices = {str(group): str(name) for group, name in cfg.hydra.runtime.choices.items()}
    return settled({str(key): value for key, value in plain.items()}, choices)


def check_keys(config: Mapping[Any, Any]) -> None:
    """Whether a composed config has the keys that are read, and no others.

    Raises:
        ConfigError: A key that was added or deleted.
    """
    for where, node, known in (("", config, RootConfig), ("task.", config["task"], TaskConfig)):
        fields = list(known.__dataclass_fields__)
        if unknown := [str(key) for key in node if key not in (*fields, "hydra")]:
            raise ConfigError(
                f"unknown key '{where}{unknown[0]}'{closest(unknown[0], fields)} known are {', '.join(fields)}"
            )
        if absent := [name for name in fields if name not in node.keys()]:  # noqa: SIM118 - "in" is false for null
            raise ConfigError(f"missing key '{where}{absent[0]}': do not delete it, override it")


def settled(values: Mapping[str, Any], choices: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A resolved config with what follows from it: the steps that ``passes`` buy, the hashes of its files.

    Raises:
        ConfigError: Passes that buy no step, or a published network that there is not.
    """
    config = dict(values)
    if config["passes"] is not None:
        try:
            steps = steps_within(config["passes"], config["solver"], config["schedule"])
        except ValueError as error:
            raise ConfigError(str(error)) from error
        config["schedule"] = {**config["schedule"], "steps": steps}
    if _has_files(config):
        from mapga.commands.prefetch import pinned

        config = pinned(config)
    return config, {name: choices.get(name, "none") for name in _NAMED}


def group(name: str) -> dict[str, dict[str, Any]]:
    """The files of a config group, by name."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((conf_dir() / name).glob("*.yaml"))}


def _has_files(config: Mapping[str, Any]) -> bool:
    """Whether a config names files whose hashes belong to its identity: weights of networks, lists of images."""
    return bool(re.search(r"Published|Network", str(config["prior"]))) or bool(config["dataset"].get("list"))
