"""The values that an override of a sweep stands for: lists, ranges, choices, patterns of names. Imports no torch."""

from __future__ import annotations

import itertools

from hydra.core.override_parser.types import Glob, IntervalSweep, Override

from mapga.config.files import options
from mapga.errors import ConfigError

__all__ = ["values"]

_MOST = 100_000  # values of an axis: more are a slip of the finger, and take the memory of a machine


def values(override: Override) -> list[str]:
    """The values that an override stands for, each as an override.

    Raises:
        ConfigError: There is none, or no end of them.
    """
    given, key = override.input_line or "", override.get_key_element()
    if not override.is_sweep_override():
        return [given]
    value = override.value()
    if isinstance(value, IntervalSweep):  # a search chooses from it; one value stands for it here
        return [f"{key}={value.start}"]
    if isinstance(value, Glob):
        known = options(key)
        if not (found := value.filter(known)):
            raise ConfigError(f"{given}: nothing of that name; choose among {', '.join(known) or 'values, not files'}")
    else:
        try:
            found = list(itertools.islice(override.sweep_string_iterator(), _MOST + 1))
        except ValueError as error:
            raise ConfigError(f"{given}: {error}") from error
        if not 1 <= len(found) <= _MOST:
            raise ConfigError(f"{given}: {'no value' if not found else f'more than {_MOST:,} values'}; mend the list")
    return [f"{key}={one}" for one in found]
