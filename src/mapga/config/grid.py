"""The points of a sweep, each as Hydra would compose it, in a fraction of the time. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from mapga.config.compose import check_keys, compose_run, conf_dir, settled
from mapga.config.options import NotPlainError, PlainOption, PlainOptions, leaves, stored

__all__ = ["Grid", "OpenError"]


class OpenError(Exception):
    """An interpolation that is more than another key's value: OmegaConf has to resolve it."""


class Grid:
    """The axes of a sweep, and its points.

    Hydra composes the axes that are neither plain nor values, each of their points once (a ``_Ground``). Set in that
    are values (``num_iter=1,4``), which Hydra sets last anyway, and options that say plain values (``options``).

    Args:
        axes: For each override the values it takes, as overrides.
    """

    def __init__(self, axes: Sequence[Sequence[str]]) -> None:
        swept = [place for place, axis in enumerate(axes) if len(axis) > 1]
        self._values = {
            place: _key(axes[place][0]).partition(".")[0]
            for place in swept
            if all(_is_value(text) for text in axes[place])
        }
        self._plain = {
            place: (_key(axes[place][0]), [_value(text) for text in axes[place]])
            for place in swept
            if all(_is_choice(text) for text in axes[place])
        }
        self._grounds: dict[tuple[str, ...], _Ground] = {}

    def resolved(self, point: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """``resolve`` of a point's composition.

        Raises:
            ConfigError: A composition that Hydra refuses; with probes, so that its message may be about those.
            OpenError, OmegaConfBaseException, HydraException: A value that cannot be set or read here.
        """
        ground = self._ground(point)
        config = ground.config(point)
        check_keys(config)
        return settled({name: _filled(value, config) for name, value in config.items()}, ground.choices(point))

    def _ground(self, point: Sequence[str]) -> _Ground:
        while True:
            own = [text for place, text in enumerate(point) if place not in self._plain and place not in self._values]
            try:
                if tuple(own) not in self._grounds:
                    self._grounds[tuple(own)] = _Ground(own, self._plain, self._values)
                return self._grounds[tuple(own)]
            except NotPlainError as error:
                self._plain = {place: axis for place, axis in self._plain.items() if axis[0] != str(error)}
                self._grounds.clear()


class _Ground:
    """A composition by Hydra, into which a point's options and values are set.

    Args:
        composed: The overrides that Hydra composes.
        plain: By place in a point: the group of an axis and its options.
        values: Places of the axes of values, and the node each sets in.

    Raises:
        NotPlainError: Options that Hydra has to compose after all.
    """

    def __init__(
        self,
        composed: Sequence[str],
        plain: Mapping[int, tuple[str, Sequence[str]]],
        values: Mapping[int, str],
    ) -> None:
        self._groups = {place: group for place, (group, _) in plain.items()}
        bare = [PlainOptions(group, names, {}).probe.bare for group, names in plain.values()]
        self._cfg = _composed(bare, composed)
        self._chosen = {str(key): str(name) for key, name in self._cfg.hydra.runtime.choices.items()}
        options = {place: PlainOptions(group, names, self._chosen) for place, (group, names) in plain.items()}
        self._raw, probed = _raw(self._cfg), {}
        if options:
            probed = _raw(_composed([one.probe for one in options.values()], composed))
        before, after = dict(leaves(self._raw)), dict(leaves(probed))
        self._effects = {place: one.effects(before, after) for place, one in options.items()}
        self._touching: dict[str, list[int]] = {name: [] for name in self._raw}
        for place, effects in self._effects.items():
            for name in {key.partition(".")[0] for effect in effects.values() for key in effect.keys}:
                self._touching[name].append(place)
            if any(effect.node is not None for effect in effects.values()):
                self._touching[self._groups[place]].append(place)
        for place, name in values.items():
            if name in self._touching:
                self._touching[name].append(place)
        self._nodes: dict[tuple[str, ...], Any] = {}

    def config(self, point: Sequence[str]) -> dict[str, Any]:
        """A point's config, interpolations as they are written."""
        return {name: self._node(name, point) if places else self._raw[name] for name, places in self._touching.items()}

    def choices(self, point: Sequence[str]) -> dict[str, str]:
        """The chosen option of every group."""
        return self._chosen | {group: _value(point[place]) for place, group in self._groups.items()}

    def _node(self, name: str, point: Sequence[str]) -> Any:
        """A top-level node, once for the options and values that it depends on."""
        asked = (name, *(point[place] for place in self._touching[name]))
        if asked not in self._nodes:
            cfg = OmegaConf.masked_copy(self._cfg, [name])
            for place in self._touching[name]:
                if place in self._effects:
                    self._choose(cfg, name, place, _value(point[place]))
                else:
                    OmegaConf.set_struct(cfg, True)  # Hydra refuses to set a key that is not there
                    key, value = _parsed(point[place])
                    OmegaConf.update(cfg, key, value, merge=True)
            self._nodes[asked] = _raw(cfg)[name]
        return self._nodes[asked]

    def _choose(self, cfg: DictConfig, name: str, place: int, option: str) -> None:
        node, keys = self._effects[place][option]
        if name == self._groups[place]:
            cfg[name] = node
        for key, value in keys.items():
            if key.partition(".")[0] == name:
                OmegaConf.update(cfg, key, value)


def _composed(probes: Sequence[PlainOption], overrides: Sequence[str]) -> DictConfig:
    with stored(probes) as chosen:
        return compose_run([*overrides, *chosen])


def _raw(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain values, interpolations as they are written, without what Hydra has to say of itself."""
    plain = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _filled(value: Any, config: Mapping[str, Any], depth: int = 0) -> Any:
    """A node with its interpolations resolved, where each is another key's value."""
    if isinstance(value, dict):
        return {key: _filled(one, config, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, config, depth + 1) for one in value]
    if not isinstance(value, str) or ("${" not in value and value != "???"):
        return value
    key = re.fullmatch(r"\$\{(\w+(?:\.\w+)*)\}", value)
    if key is None or depth == 0:  # at the top keys have kinds
        raise OpenError(value)
    found: Any = config
    for part in key[1].split("."):
        if not isinstance(found, dict) or part not in found:
            raise OpenError(value)
        found = found[part]
    return _filled(found, config, depth + 1)


@cache
def _parsed(text: str) -> tuple[str, Any]:
    (one,) = OverridesParser.create().parse_overrides([text])
    return one.key_or_group, one.value()


def _is_choice(text: str) -> bool:
    return bool(re.fullmatch(r"\w+=[\w.-]+", text)) and (conf_dir() / _key(text)).is_dir()


def _is_value(text: str) -> bool:
    """Whether an override sets a value, rather than to choose in a group or to add or delete a key."""
    return bool(re.match(r"\w[\w.]*=", text)) and not (conf_dir() / _key(text)).is_dir()


def _key(text: str) -> str:
    return text.partition("=")[0]


def _value(text: str) -> str:
    return text.partition("=")[2]
