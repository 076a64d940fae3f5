"""The points of a sweep, each composed once, by Hydra or from the compositions of its axes. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mapga.components import ConfigError
from mapga.config import compose_run, conf_dir, resolve
from mapga.options import PlainOptions

__all__ = ["Composed", "Grid", "united"]


@dataclass(frozen=True)
class Composed:
    """A composed point of a sweep, and the top-level keys that its interpolations read."""

    config: dict[str, Any]
    names: dict[str, str]
    reads: set[str]


class Grid:
    """The axes of a sweep, and its points, each composed once."""

    def __init__(self, axes: Sequence[Sequence[str]]) -> None:
        self.axes, self.rest = axes, tuple(axis[0] for axis in axes)
        self.swept = [place for place, axis in enumerate(axes) if len(axis) > 1]
        self._chosen: dict[tuple[str, ...], DictConfig] = {}
        self._composed: dict[tuple[str, ...], Composed] = {}
        self._plain: dict[tuple[str, ...], dict[str, Any]] = {}
        self._plain_options: dict[int, PlainOptions | None] = {}

    def composed(self, point: tuple[str, ...]) -> Composed:
        if point not in self._composed:
            cfg = self._cfg(point)
            reads = _references(str(OmegaConf.to_container(cfg)))
            if cfg.get("passes") is not None:  # what passes buy depends on who spends them
                reads |= {"solver", "schedule", "num_iter"}
            self._composed[point] = Composed(*resolve(cfg), reads)
        return self._composed[point]

    def _cfg(self, point: tuple[str, ...]) -> DictConfig:
        return self._assembled(point) or self._by_hydra(point)

    def _assembled(self, point: tuple[str, ...]) -> DictConfig | None:
        """The point from its axes' own compositions, interpolations still open; None if they are about one node."""
        moved = {place for place in self.swept if point[place] != self.rest[place]}
        if len(moved) < 2 or any(len(part & moved) > 1 for part in self.tied):
            return None
        still = self._raw(self.rest)
        changed: dict[str, DictConfig] = {}
        choices: dict[str, Any] = {}
        for place in moved:
            single = tuple(point[k] if k == place else text for k, text in enumerate(self.rest))
            try:
                own, cfg = self._raw(single), self._by_hydra(single)
            except ConfigError:  # it makes sense only beside certain values of another axis
                return None
            keys = [key for key in own if key != "hydra" and (key not in still or own[key] != still[key])]
            if changed.keys() & set(keys) or still.keys() - own.keys():
                return None
            changed |= dict.fromkeys(keys, cfg)
            before = still["hydra"]["runtime"]["choices"]
            choices |= {
                key: name for key, name in own["hydra"]["runtime"]["choices"].items() if before.get(key) != name
            }
        cfg = self._by_hydra(self.rest).copy()
        with open_dict(cfg):
            for key, source in changed.items():
                cfg[key] = source._get_node(key)
            cfg.hydra.runtime.choices.update(choices)
        return cfg

    def _raw(self, point: tuple[str, ...]) -> dict[str, Any]:
        """A composed point as plain values, interpolations as they are written."""
        if point not in self._plain:
            plain = OmegaConf.to_container(self._by_hydra(point))
            assert isinstance(plain, dict)
            self._plain[point] = {str(key): value for key, value in plain.items()}
        return self._plain[point]

    def _by_hydra(self, point: tuple[str, ...]) -> DictConfig:
        """Hydra composes the chosen groups; it sets plain values last, and so they can be set here."""
        plain = [point[place] for place in self.swept if _is_value(point[place])]
        moved = [place for place in self.swept if point[place] != self.rest[place] and not _is_value(point[place])]
        options = self._options(moved[0]) if len(moved) == 1 else None
        chosen = self.rest if options else point
        groups = tuple(text for place, text in enumerate(chosen) if place not in self.swept or not _is_value(text))
        if groups not in self._chosen:
            self._chosen[groups] = _slim(compose_run(groups))
        if not plain and not options:
            return self._chosen[groups]
        cfg = self._chosen[groups].copy()
        try:
            if options:
                options.choose(cfg, _value(point[moved[0]]))
            for one in OverridesParser.create().parse_overrides(plain):
                OmegaConf.update(cfg, one.key_or_group, one.value(), merge=True)
        except (HydraException, OmegaConfBaseException, ValueError):
            return _slim(compose_run(point))  # which says what is wrong
        return cfg

    def _options(self, place: int) -> PlainOptions | None:
        """The options of an axis that chooses in a group, if they can be set; None if Hydra has to compose them."""
        if place not in self._plain_options:
            key, names = _key(self.rest[place]), [_value(text) for text in self.axes[place]]
            others = [
                text for k, text in enumerate(self.rest) if k != place and not (k in self.swept and _is_value(text))
            ]
            if self.rest[place] != f"{key}={names[0]}" or any(key in named for named, _ in _ties()):
                self._plain_options[place] = None
            else:
                self._plain_options[place] = PlainOptions.of(key, names, lambda choice: compose_run([*others, choice]))
        return self._plain_options[place]

    @cached_property
    def tied(self) -> list[set[int]]:
        """Axes that the defaults lists of the config's files tie: ``optional tuned/${solver}-${task}``."""
        keys = {place: _key(self.rest[place]) for place in self.swept}
        parts = [{place} for place in self.swept]
        for named, folder in _ties():
            parts.append({place for place, key in keys.items() if key in named or key == folder})
        return united(parts)


@lru_cache(maxsize=1)
def _ties() -> list[tuple[set[str], str]]:
    """The keys that each defaults list interpolates, and the folder of its file."""
    found = []
    for path in conf_dir().rglob("*.yaml"):
        text = path.read_text()
        named = {name for line in re.findall(r"^ *- .*\$\{.*$", text, re.M) for name in _references(line)}
        if named:
            found.append((named, path.parent.relative_to(conf_dir()).as_posix()))
    return found


def united(parts: Iterable[set[int]]) -> list[set[int]]:
    """Sets that overlap, united."""
    apart: list[set[int]] = []
    for part in parts:
        if not part:
            continue
        near = [other for other in apart if other & part]
        apart = [other for other in apart if not other & part] + [part.union(*near)]
    return sorted(apart, key=min)


def _slim(cfg: DictConfig) -> DictConfig:
    """A composed config without what Hydra has to say of itself, but for the chosen names."""
    choices = cfg.hydra.runtime.choices
    keys = [str(key) for key in cfg if key != "hydra"]
    own = OmegaConf.masked_copy(cfg, keys)
    with open_dict(own):
        own.hydra = {"runtime": {"choices": choices}}
    return own


def _key(text: str) -> str:
    return text.partition("=")[0].lstrip("+~")


def _value(text: str) -> str:
    return text.partition("=")[2]


def _is_value(text: str) -> bool:
    """Whether an override sets a value, rather than to choose in a group or to add or delete a key."""
    return bool(re.match(r"\w", text)) and not (conf_dir() / _key(text)).is_dir()


def _references(text: str) -> set[str]:
    """Top-level keys that a text's interpolations name; relative ones stay within their node."""
    return set(re.findall(r"\$\{(\w+)", text))
