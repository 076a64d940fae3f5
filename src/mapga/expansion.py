"""The runs of a sweep: what Hydra would compose for each of them, in a fraction of the time. Imports no torch.

Composing takes Hydra some 100 ms, so hundreds of runs take seconds. Most axes of a sweep have nothing to do with each
other, though: a seed changes ``seed``, a task changes ``task``. So axes are composed apart, each with the others at
rest, and the top-level nodes that an axis changes are carried over. Axes that change the same node, or of which one
reads (by an interpolation) what the other changes, are composed together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mapga.components import ConfigError
from mapga.config import compose_run, one_line
from mapga.grid import Composed, Grid, united

__all__ = ["axes_of", "expand", "resolved_runs"]

Resolved = tuple[dict[str, Any], dict[str, str]]


def expand(overrides: Sequence[str]) -> Iterator[DictConfig]:
    """The composed config of every run of a sweep, by composing each: exact and slow.

    Raises:
        ConfigError: As ``compose_run``.
    """
    for point in itertools.product(*axes_of(overrides)):
        yield compose_run(point)


def resolved_runs(overrides: Sequence[str]) -> Iterator[Resolved]:
    """``resolve`` of every run of a sweep, in launch order.

    Raises:
        ConfigError: As ``compose_run``.
    """
    axes = axes_of(overrides)
    grid = Grid(axes)
    groups = _together(grid)
    base = grid.composed(grid.rest)
    for point in itertools.product(*axes):
        config, names = dict(base.config), dict(base.names)
        for group in groups:
            node, chosen = group.changes(point)
            config |= node
            names |= chosen
        yield config, names


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


@dataclass(frozen=True)
class _Group:
    """Axes, by their places, that are composed together while the others rest."""

    grid: Grid
    places: tuple[int, ...]

    @cached_property
    def composed(self) -> dict[tuple[str, ...], Composed]:
        found = {}
        for values in itertools.product(*(self.grid.axes[place] for place in self.places)):
            point = list(self.grid.rest)
            for place, value in zip(self.places, values, strict=True):
                point[place] = value
            found[values] = self.grid.composed(tuple(point))
        return found

    @property
    def at_rest(self) -> Composed:
        return self.grid.composed(self.grid.rest)

    @cached_property
    def touched(self) -> set[str]:
        """Top-level nodes, and names of groups (with a ``=``), that are not everywhere what they are at rest."""
        still = self.at_rest
        nodes = {key for one in self.composed.values() for key in one.config if one.config[key] != still.config[key]}
        names = {f"{key}=" for one in self.composed.values() for key in one.names if one.names[key] != still.names[key]}
        return nodes | names

    @cached_property
    def read(self) -> set[str]:
        return {key for one in self.composed.values() for key in one.reads}

    def changes(self, point: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        one = self.composed[tuple(point[place] for place in self.places)]
        nodes = {key: one.config[key] for key in self.touched if not key.endswith("=")}
        return nodes, {key[:-1]: one.names[key[:-1]] for key in self.touched if key.endswith("=")}

    def minds(self, other: _Group) -> bool:
        """Whether the two cannot be composed apart."""
        return bool(self.touched & other.touched or self.read & other.touched or other.read & self.touched)


def _together(grid: Grid) -> list[_Group]:
    """The swept axes in as many groups as can be composed apart."""
    parts = grid.tied
    while True:
        groups = [_Group(grid, tuple(sorted(part))) for part in parts]
        try:
            pair = next(((a, b) for a, b in itertools.combinations(groups, 2) if a.minds(b)), None)
        except ConfigError:  # a value that makes sense only beside certain values of another axis
            return [_Group(grid, tuple(grid.swept))]
        if pair is None:
            return groups
        parts = united([*parts, set(pair[0].places) | set(pair[1].places)])
