"""Hydra's groups composed. With its room and ``commands.sweep`` all that imports hydra."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mapga.config.files import check_tuned, conf_dir, conf_dirs, options, paths, stated, twice
from mapga.config.guard import check_hydra
from mapga.config.messages import not_understood, one_line, parsed
from mapga.config.schema import RootConfig, check_keys
from mapga.errors import ConfigError, closest
from mapga.files.address import refuse_password
from mapga.kind import parameters_of
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, resolved
from mapga.slot import card_of
from mapga.spec import NAMED, RunSpec

__all__ = ["compose_run", "compose_training", "of_group", "spec_of"]

TRAINING = ("prior", "dataset", "heldout", "stages", "tracker", "output", "only")  # what `mapga train` is told
COMPONENTS = ("dataset", "task", "prior", "solver", "schedule")


class _Folders(SearchPathPlugin):
    """Has Hydra look into the folders of other packages and a person's own, after ours."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in conf_dirs()[1:]:
            search_path.append("mapga", f"file://{folder}")


def compose_run(overrides: Sequence[str]) -> DictConfig:
    """Compose conf/run.yaml with overrides, Hydra's own node included.

    Raises:
        ConfigError: A group, key or value that Hydra refuses, or what ``check_hydra`` refuses, on one line.
    """
    cfg = _compose("run", overrides, list(RootConfig.__dataclass_fields__))
    check_hydra(cfg.hydra)
    return cfg


def compose_training(overrides: Sequence[str]) -> dict[str, Any]:
    """Compose conf/training.yaml with overrides, as plain values.

    Raises:
        ConfigError: As ``compose_run``.
    """
    cfg = _compose("training", overrides, TRAINING)
    check_hydra(cfg.hydra)
    if unknown := [str(key) for key in cfg if key not in ("train", *TRAINING, "hydra")]:
        raise ConfigError(f"unknown key '{unknown[0]}'{closest(unknown[0], TRAINING)} known are {', '.join(TRAINING)}")
    plain = _plain(OmegaConf.masked_copy(cfg, ["train", "tracker", "output", "only"]))
    refuse_password(plain, "")
    return {"recipe": str(cfg.hydra.runtime.choices.train), **plain}


def spec_of(cfg: DictConfig) -> RunSpec:
    """The run that a composed config stands for.

    Raises:
        ConfigError: A value that cannot be resolved, a key that was added or deleted, or what ``check_tuned`` and
            ``RunSpec.of`` refuse.
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
    check_tuned(values, names)
    return RunSpec.of(stated(_plain(typed), names), names)


def of_group(group: str, name: str, run: RunSpec) -> dict[str, Any]:
    """What a file of a config group states, what it takes from the run's own keys filled in.

    Raises:
        ConfigError: A key that it does not say, or takes from where there is none.
    """
    own = yaml.safe_load(paths(group, name)[0].read_text(encoding="utf-8"))
    own.pop("defaults", None)  # what it brings to other groups
    found: dict[str, Any] = _plain(OmegaConf.create({**run.config, group: own}))[group]
    return found


def _compose(name: str, overrides: Sequence[str], keys: Sequence[str]) -> DictConfig:
    for one in parsed(overrides):
        _check_choice(one)
    try:
        _initialize()
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "provider=", UserWarning)  # a folder of configs that is not there
            cfg = compose(name, overrides=list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_unknown(name, overrides, error) or one_line(error, keys)) from error
    except UserWarning as warning:
        raise ConfigError(f"hydra.searchpath: {warning}; mend the path") from warning
    except RecursionError as error:
        raise ConfigError("a config file holds itself, by an alias (&name, *name); write it out") from error
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error
    _check_names(cfg)
    return cfg


def _unknown(name: str, overrides: Sequence[str], error: Exception) -> str | None:
    """What keys there are beside one that a node below the root does not have; None of any other error."""
    text = f"{error} {error.__cause__ or ''}"
    found = re.search(r"Key '(\w+)' (?:is not in struct|not in '\w+')\s+full_key: ([\w.]+)\.\1\b", text)
    others = [text for text in overrides if not found or text.lstrip("+").partition("=")[0] != f"{found[2]}.{found[1]}"]
    if found is None or len(others) == len(overrides):
        return None
    key, parent = found[1], found[2]
    node = OmegaConf.select(_compose(name, others, ()), parent)
    beside = [str(one) for one in node] if isinstance(node, DictConfig) else []
    slot = next((one for one in (DATASET, OPERATOR, PRIOR, SOLVER, SCHEDULE) if one.key == parent), None)
    if slot is not None and isinstance(node, DictConfig):
        make, _ = resolved(slot, OmegaConf.to_container(node))
        takes = [one for one in parameters_of(make) if one not in card_of(make).given]
        if key in takes:
            return f"unknown key '{parent}.{key}': its file does not state it; add it: +{parent}.{key}=..."
        beside += [one for one in takes if one not in beside]
    known = [one for one in beside if one != "_target_"]
    return (
        f"unknown key '{parent}.{key}'{closest(key, known)} {parent} has {', '.join(known) or 'none as it is chosen'}"
    )


def _initialize() -> None:
    """Have Hydra ready with today's folders: once, for a sweep's tens of compositions."""
    Plugins.instance().register(_Folders)
    wanted = [f"file://{folder}" for folder in conf_dirs()[1:]]
    if GlobalHydra.instance().is_initialized():
        known = GlobalHydra.instance().config_loader().get_search_path().get_path()
        if [one.path for one in known if one.provider == "mapga"] == wanted:
            return
        GlobalHydra.instance().clear()
    initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="mapga")


def _check_names(cfg: DictConfig) -> None:
    """Refuse a chosen file that lies in two folders.

    Raises:
        ConfigError: Naming both.
    """
    for group, chosen in cfg.hydra.runtime.choices.items():
        for name in [chosen] if isinstance(chosen, str) else chosen or []:
            if wrong := twice(group.partition("@")[0], str(name)):
                raise ConfigError(wrong)


def _check_choice(override: Override) -> None:
    """Refuse what is no choice of a group, and a group that a run cannot be without.

    Raises:
        ConfigError: Naming the choices.
    """
    key, given = override.key_or_group, override.input_line
    names = options(key)
    if not names or "/" in key or override.is_sweep_override():
        return
    choose = f"choose one of {', '.join(names)}"
    if override.is_delete():
        if key in COMPONENTS:
            raise ConfigError(f"{given}: a run cannot be without; {choose}")
        return
    value = override.value()
    if value in ("", {}) or not isinstance(value, str | list | dict):
        raise ConfigError(f"{given}: {choose}")
    if key in COMPONENTS and isinstance(value, str) and "/" in value:
        raise ConfigError(f"{given}: it is part of the names of folders, so choose by name; {choose}")


def _plain(cfg: DictConfig) -> dict[str, Any]:
    try:
        plain: Mapping[Any, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    return {str(key): value for key, value in plain.items()}
