"""The runs of a sweep: what Hydra would compose for each of them. Imports no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mapga.config.compose import compose_run, one_line, resolve
from mapga.config.grid import Grid, OpenError
from mapga.errors import ConfigError

__all__ = ["axes_of", "resolved_runs"]


def resolved_runs(overrides: Sequence[str]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """``resolve`` of every run of a sweep, in launch order.

    Raises:
        ConfigError: As ``compose_run``.
    """
    axes = axes_of(overrides)
    grid = Grid(axes)
    for point in itertools.product(*axes):
        try:
            resolved = grid.resolved(point)
        except (ConfigError, OpenError, OmegaConfBaseException, HydraException):
            resolved = resolve(compose_run(point))  # which says what is wrong, if it is
        yield resolved


def axes_of(overrides: Sequence[str]) -> list[list[str]]:
    """For each override the values it takes, one unless it is swept; the experiment's own sweep comes first.

    Raises:
        ConfigError: As ``compose_run``.
    """
    parser = OverridesParser.create()
    try:
        given = parser.parse_overrides(list(overrides))
        first = [_values(one)[0] for one in given]  # some fixed values make sense only beside a swept group
        params = OmegaConf.to_container(compose_run(first).hydra.sweeper.params or OmegaConf.create({}))
        assert isinstance(params, dict)
        named = {one.get_key_element() for one in given}
        own = parser.parse_overrides([f"{key!s}={value}" for key, value in params.items() if key not in named])
        return [_values(one) for one in (*own, *given)]
    except HydraException as error:
        raise ConfigError(one_line(error)) from error


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):  # a search chooses from it; one value stands for it here
        return [f"{key}={value.start}"]
    return [f"{key}={one}" for one in override.sweep_string_iterator()]
