"""Options of a config group that say plain values: they are set, where Hydra would compose. Imports no torch.

Hydra takes some 100 ms to compose. Where a file of a group (``task=half``) holds no defaults list, and neither do the
files that are named after it (``ascent/${solver}``), choosing it sets its keys and no others: unless something that
comes later writes to them. Hydra is asked whether that is so, with a probe: an option whose values are found nowhere
else, so that they either arrive or show who overwrites them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from mapga.config.compose import RootConfig, conf_dir

__all__ = ["Effect", "NotPlainError", "PlainOption", "PlainOptions", "leaves", "stored"]

_PROBE = "probe_of_plain_values"
_EVERYWHERE = "_global_"  # Hydra's package of the files that speak of the whole config


class NotPlainError(Exception):
    """Options that Hydra has to compose; its argument is their group."""


class Effect(NamedTuple):
    """What choosing an option sets: its group's node as a whole, if it has one, and keys elsewhere."""

    node: DictConfig | None
    keys: dict[str, Any]


class PlainOptions:
    """The options of a group between which a sweep chooses.

    Args:
        group: A group at the top of ``conf``.
        names: Its files.
        choices: What is chosen in other groups, for files that are named after several.

    Raises:
        NotPlainError: One says more than plain values.
    """

    def __init__(self, group: str, names: Sequence[str], choices: Mapping[str, str]) -> None:
        self._options = {name: _option(group, name, choices) for name in names}
        self.probe = _probe(list(self._options.values()), choices)

    def effects(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Effect]:
        """What each option sets in the end.

        Args:
            before: Leaves of a composition with ``probe.bare``.
            after: Leaves of one with ``probe``.

        Raises:
            NotPlainError: What one sets would change, or not always be overwritten.
        """
        group, (node, keys) = self.probe.group, self.probe.effect
        lost = {key for key, value in keys.items() if after.get(key) != value}
        arrived = {key: value for key, value in after.items() if key.partition(".")[0] == group}
        whole = node is None or dict(leaves({group: OmegaConf.to_container(node)})) == arrived
        if not whole or any(after.get(key) != before.get(key) for key in lost):
            raise NotPlainError(group)
        effects = {name: option.effect for name, option in self._options.items()}
        return {
            name: Effect(node, {key: value for key, value in keys.items() if key not in lost})
            for name, (node, keys) in effects.items()
        }


@dataclass(frozen=True)
class PlainOption:
    """The files that choosing an option brings: the group's own, and those that are named after it.

    Attributes:
        group: Name of the group.
        files: Content by folder and name: ``("solver", "ddrm")``, ``("tuned", "mnist-ddrm")``.
        everywhere: The folders whose files speak of the whole config and not of the group's node.
    """

    group: str
    files: Mapping[tuple[str, str], Mapping[str, Any]]
    everywhere: frozenset[str]

    @cached_property
    def effect(self) -> Effect:
        nodes: list[DictConfig] = []
        keys: dict[str, Any] = {}
        for (folder, _), content in self.files.items():
            if folder in self.everywhere:
                keys |= dict(leaves(content))
            else:
                nodes.append(OmegaConf.create(dict(content)))
        if not nodes:
            return Effect(None, keys)
        node = OmegaConf.merge(_before(self.group), *nodes)
        assert isinstance(node, DictConfig)
        return Effect(node, keys)

    @property
    def bare(self) -> PlainOption:
        """Without what it sets elsewhere."""
        files = {where: {} if where[0] in self.everywhere else content for where, content in self.files.items()}
        return PlainOption(self.group, files, self.everywhere)


@contextmanager
def stored(probes: Iterable[PlainOption]) -> Iterator[list[str]]:
    """The overrides that choose the probes, which Hydra finds while this lasts as if their files were in ``conf``."""
    store = ConfigStore.instance()
    places = []
    try:
        for probe in probes:
            for (folder, name), content in probe.files.items():
                package = _EVERYWHERE if folder in probe.everywhere else None
                store.store(name, dict(content), group=folder, package=package)
                places.append((folder, name))
        yield [f"{probe.group}={_PROBE}" for probe in probes]
    finally:
        for folder, name in places:
            store.repo[folder].pop(f"{name}.yaml")


def leaves(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings, each by its dotted key."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _option(group: str, name: str, choices: Mapping[str, str]) -> PlainOption:
    own = _read(group, name)
    if own is None or own[0] not in (None, _EVERYWHERE) or group in _named_elsewhere():
        raise NotPlainError(group)
    files, packages = {(group, name): own[1]}, {group: own[0]}
    for folder, package, pattern in _namesakes(group):
        file = _filled(pattern, {**choices, group: name})
        if _PROBE in file:
            raise NotPlainError(group)  # it is named after another swept group too
        if not (conf_dir() / folder / f"{file}.yaml").is_file():
            continue
        found = _read(folder, file)
        if found is None or package not in (group, _EVERYWHERE):
            raise NotPlainError(group)
        files[folder, file], packages[folder] = found[1], package
    option = PlainOption(group, files, frozenset(key for key, package in packages.items() if package == _EVERYWHERE))
    if any(key.partition(".")[0] == group for key in option.effect.keys):
        raise NotPlainError(group)  # it may write to its own node, and the order would matter
    return option


def _probe(options: Sequence[PlainOption], choices: Mapping[str, str]) -> PlainOption:
    """An option with every key that some of the options have, of values that none of them has."""
    found: dict[str, dict[str, Any]] = {}
    for option in options:
        for (folder, _), content in option.files.items():
            seen = found.setdefault(folder, {})
            seen |= {key: value for key, value in leaves(content) if seen.get(key) is None}
    group = options[0].group
    names = {folder: _filled(pattern, {**choices, group: _PROBE}) for folder, _, pattern in _namesakes(group)}
    files = {}
    for folder, content in found.items():
        node = OmegaConf.create({})
        for key, value in content.items():
            OmegaConf.update(node, key, _strange(value, f"{folder} {key}"))
        files[folder, names.get(folder, _PROBE)] = _plain(node)
    return PlainOption(group, files, frozenset().union(*(option.everywhere for option in options)))


@cache
def _read(folder: str, name: str) -> tuple[str | None, dict[str, Any]] | None:
    """A file's package and its content; None if there is none, or it is more than plain values."""
    path = conf_dir() / folder / f"{name}.yaml"
    if not path.is_file():
        return None
    content = OmegaConf.load(path)
    if not isinstance(content, DictConfig) or content.keys() & {"defaults", "hydra"}:
        return None
    header = re.search(r"^# @package (\S+)$", path.read_text(), re.M)
    return header[1] if header else None, _plain(content)


@cache
def _namesakes(group: str) -> list[tuple[str, str, str]]:
    """Folder, package and pattern of files that run.yaml names after what is chosen in a group."""
    lines = yaml.safe_load((conf_dir() / "run.yaml").read_text())["defaults"]
    named = [item for line in lines if isinstance(line, dict) for item in line.items() if f"${{{group}}}" in str(item)]
    return [(*key.removeprefix("optional ").partition("@")[::2], pattern) for key, pattern in named]


@lru_cache(maxsize=1)
def _named_elsewhere() -> set[str]:
    """Keys after whose values the defaults list of another file than run.yaml names files."""
    texts = [path.read_text() for path in conf_dir().glob("*/**/*.yaml")]
    lines = [line for text in texts for line in re.findall(r"^ *- .*\$\{.*$", text, re.M)]
    return {name for line in lines for name in re.findall(r"\$\{(\w+)", line)}


def _filled(pattern: str, choices: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda key: choices.get(key[1], "null"), pattern)


@cache
def _before(group: str) -> Any:
    """What a group's node is before its file is merged into it."""
    node = OmegaConf.structured(RootConfig)._get_node(group)
    return node if isinstance(node, DictConfig) and not node._is_none() else {}


def _plain(node: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(node)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _strange(value: Any, place: str) -> Any:
    """A value of the same kind that no file has; a number in the place of null, which may have a kind."""
    number = 9_000_001 + zlib.crc32(place.encode())
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return number
    return float(number) if isinstance(value, float) else f"{_PROBE}_{number}"
