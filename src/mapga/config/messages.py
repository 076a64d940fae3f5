"""What Hydra says in many lines as one: the key, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mapga.config.schema import RootConfig
from mapga.errors import ConfigError, closest
from mapga.files.address import refuse_password

__all__ = ["not_understood", "one_line", "parsed"]

# By Hydra's names: how the extras that bring them are called here.
_PLUGINS = {"joblib": "joblib", "submitit_slurm": "slurm", "ray": "ray", "optuna": "optuna"}


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
        return OverridesParser.create().parse_override(text)
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
