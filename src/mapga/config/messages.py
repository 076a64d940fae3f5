"""What Hydra says in many lines as one: the key, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mapga.config.schema import RootConfig, TaskConfig
from mapga.errors import ConfigError, closest
from mapga.files.address import refuse_password

__all__ = ["not_understood", "one_line", "parsed"]

# By Hydra's names: how the extras that bring them are called here.
_PLUGINS = {"joblib": "joblib", "submitit_slurm": "slurm", "ray": "ray", "optuna": "optuna"}

_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_TYPES = {one.name: one.type for one in fields(RootConfig)} | {
    f"task.{one.name}": one.type for one in fields(TaskConfig)
}


def parsed(overrides: Iterable[str]) -> list[Override]:
    """Overrides as Hydra reads them.

    Raises:
        ConfigError: One that it cannot read, by name, and how to write it; or one with a password in it.
    """
    given = list(overrides)
    for text in given:  # before any of them is shown
        refuse_password(text, text.partition("=")[0])
    return [_parsed(text) for text in given]


@cache
def _parsed(text: str) -> Override:
    try:
        override = OverridesParser.create().parse_override(text)
        if override.key_or_group:
            return override
        raise ConfigError(f"{text!r} is no override; write KEY=VALUE, such as task=half")
    except HydraException as error:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r} is no override; write KEY=VALUE, such as task=half") from error
        quoted = value.strip("'\"").replace('"', '\\"')
        raise ConfigError(
            f"{text} cannot be read; a value with spaces, brackets, signs or letters beyond a to z is written in "
            f"quotes of its own: '{key}=\"{quoted}\"'"
        ) from error


def not_understood(overrides: Sequence[str], error: ValueError) -> str:
    """Hydra's ValueErrors do not name the override they are about."""
    return f"one of the overrides {' '.join(overrides)} is not understood: {error}"


def one_line(error: BaseException, known: Sequence[str] = tuple(RootConfig.__dataclass_fields__)) -> str:
    """Hydra's many-line messages as one that names the key and the remedy.

    Args:
        error: Hydra's.
        known: The top-level keys there are.
    """
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    if unknown := re.search(r"Key '(\w+)' (?:is not in struct|not in '\w+') full_key: ([\w.]+)", text):
        key = unknown[2]
        if "." in key:
            return f"unknown key '{key}'; 'mapga run --cfg' prints the keys there are"
        return f"unknown key '{key}'{closest(key, known)} the top-level keys are {', '.join(known)}"
    plugin = re.search(r"Could not (?:find|load) 'hydra/(launcher|sweeper)/(\w+)'", text)
    if plugin and plugin[2] in _PLUGINS:
        extra = _PLUGINS[plugin[2]]
        return f'hydra/{plugin[1]}={extra}: what it needs is not installed; pip install "mapga[{extra}]"'
    if group := re.search(r"Could not find '([^']+)' Available options in '([\w/]+)': (.*?) Config search", text):
        where, options = group[2], group[3].split()
        name = group[1].removeprefix(f"{where}/")
        return f"{where}={name}: there is none of that name{closest(name, options)} choose {', '.join(options)}"
    if several := re.search(r"Could not load '([\w/]+?)/([^'/]+)'", text):
        return f"{several[1]}={several[2]}: there is none of that name; the files of conf/{several[1]} are the choices"
    if kind := re.search(r"(.*) full_key: ([\w.]+)", text):
        return _of_a_value(kind[2], kind[1])
    return text


def _of_a_value(key: str, text: str) -> str:
    """What OmegaConf says of the value of a key."""
    if re.search("Missing mandatory value", text):
        return f"missing key '{key}': write {key}=..."
    if "does not support deletion" in text:
        return f"{key}: do not delete it, override it"
    if absent := re.search(r"Environment variable '([^']*)' not found", text):
        return f"{key}: the environment variable {absent[1]} is not set"
    wanted = _KINDS.get(str(_TYPES.get(key)).removesuffix(" | None"), "another value")
    if re.search(r"field '[\w.]+' is not Optional", text):
        return f"{key}=null: {wanted} is wanted"
    if value := re.search(r"Value '(.*)' (?:of type '\w+' could not be converted|is not a valid)", text):
        return f"{key}={value[1]!r}: {wanted} is wanted"
    if value := re.search(r"Cannot convert '\w+' to string: '(.*)'", text):
        return f"{key}={value[1]}: {wanted} is wanted"
    return f"{key}: {re.sub(r'^Error merging override [^ ]+ ', '', text)}"
