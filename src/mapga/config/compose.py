"""Hydra's groups composed. With its room and ``commands.sweep`` all that imports hydra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mapga.config.guard import check_hydra
from mapga.config.messages import not_understood, one_line, parsed
from mapga.config.schema import RootConfig, check_keys
from mapga.errors import ConfigError
from mapga.files.address import refuse_password
from mapga.spec import NAMED, RunSpec

__all__ = ["compose_run", "compose_training", "conf_dir", "group", "options", "spec_of"]


def conf_dir() -> Path:
    """The folder of config groups: in the package of an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parents[1] / "conf"


def compose_run(overrides: Sequence[str]) -> DictConfig:
    """Compose conf/run.yaml with overrides, Hydra's own node included.

    Raises:
        ConfigError: A group, key or value that Hydra refuses, or what ``check_hydra`` refuses, on one line.
    """
    cfg = _compose("run", overrides)
    check_hydra(cfg.hydra)
    return cfg


def compose_training(overrides: Sequence[str]) -> dict[str, Any]:
    """Compose conf/training.yaml with overrides, as plain values.

    Raises:
        ConfigError: As ``compose_run``.
    """
    cfg = _compose("training", overrides)
    plain = _plain(OmegaConf.masked_copy(cfg, ["train", "tracker", "output", "only"]))
    refuse_password(plain, "")
    return {"recipe": str(cfg.hydra.runtime.choices.train), **plain}


def spec_of(cfg: DictConfig) -> RunSpec:
    """The run that a composed config stands for.

    Raises:
        ConfigError: A value that cannot be resolved, a key that was added or deleted, or what ``RunSpec.of`` refuses.
    """
    check_keys(cfg)
    choices = cfg.hydra.runtime.choices
    names = {name: str(choices.get(name) or "none") for name in NAMED}
    values = _plain(OmegaConf.masked_copy(cfg, list(RootConfig.__dataclass_fields__)))
    try:  # what an interpolation brought has the kind of its key only now
        typed = OmegaConf.merge(OmegaConf.structured(RootConfig), values)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    assert isinstance(typed, DictConfig)
    return RunSpec.of(_plain(typed), names)


def options(group: str) -> list[str]:
    """The names of a config group's files; empty for what is no group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def group(name: str, run: RunSpec) -> dict[str, dict[str, Any]]:
    """The files of a config group by name, what they take from the run's own keys filled in."""
    found = {}
    for option in options(name):
        own = yaml.safe_load((conf_dir() / name / f"{option}.yaml").read_text())
        found[option] = _plain(OmegaConf.create({**run.config, name: own}))[name]
    return found


def _compose(name: str, overrides: Sequence[str]) -> DictConfig:
    for one in parsed(overrides):
        key, value = one.get_key_element(), None if one.is_delete() else one.value()
        if "." not in key and value in (None, "") and not one.is_delete() and (names := options(key)):
            raise ConfigError(f"{one.input_line}: choose one of {', '.join(names)}")
    try:
        if not GlobalHydra.instance().is_initialized():  # once, for a sweep's tens of compositions
            initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="mapga")
        return compose(name, overrides=list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error


def _plain(cfg: DictConfig) -> dict[str, Any]:
    try:
        plain: Mapping[Any, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    return {str(key): value for key, value in plain.items()}
