"""Options of a config group that say plain values and nothing else: they are set, not composed. Imports no torch.

Hydra takes some 100 ms to compose. Where a file of a group (``task=half``) holds no defaults list and nothing in the
composition writes to its keys after it, choosing it changes just those keys. Whether that is so is asked of Hydra once
a group, with a probe: an option of values found nowhere else, which either all arrive or show who overwrites them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mapga.components import ConfigError
from mapga.config import RootConfig, conf_dir

__all__ = ["PlainOptions"]

_PROBE = "probe_of_plain_values"


class PlainOptions:
    """The options of a group between which a sweep chooses, if choosing one is setting its values.

    Use ``PlainOptions.of``, which asks Hydra.
    """

    def __init__(self, group: str, package: str | None, files: dict[str, dict[str, Any]]) -> None:
        self.group, self._package, self._files = group, package, files

    @classmethod
    def of(cls, group: str, names: Sequence[str], compose: Callable[[str], DictConfig]) -> Self | None:
        """The options ``names`` of a group, or None if one must be composed.

        Args:
            group: Name of a group at the top of ``conf``.
            names: Its files.
            compose: A composition with another choice (``task=half``) in the place of the sweep's own.
        """
        read = {name: _read(conf_dir() / group / f"{name}.yaml") for name in names}
        files = {name: found[1] for name, found in read.items() if found is not None}
        packages = {found[0] for found in read.values() if found is not None}
        if len(files) < len(read) or len(packages) != 1 or not packages <= {None, "_global_"}:
            return None
        options = cls(group, packages.pop(), files)
        return options if options._arrive(compose) else None

    def choose(self, cfg: DictConfig, name: str) -> None:
        """Set what the option ``name`` says in a composed config."""
        with open_dict(cfg):
            if self._package is None:
                cfg[self.group] = _merged(self.group, OmegaConf.create(self._files[name]))
            else:
                for key, value in _leaves(self._files[name]):
                    OmegaConf.update(cfg, key, value)
            cfg.hydra.runtime.choices[self.group] = name

    def _arrive(self, compose: Callable[[str], DictConfig]) -> bool:
        """Whether the values of a probe that has the keys of all options are there in the end, and no others."""
        every = [dict(_leaves(content)) for content in self._files.values()]
        if self._package is not None and any(one.keys() != every[0].keys() for one in every):
            return False  # a key that one option leaves alone would keep another's value
        values = {key: value for one in every for key, value in one.items()}
        sent = {key: _strange(value, place) for place, (key, value) in enumerate(values.items())}
        try:
            cfg = self._probed(sent, compose)
        except (ConfigError, OmegaConfBaseException):  # a kind or a key that the probe cannot have
            return False
        if self._package is None:
            return _plain(cfg[self.group]) == _plain(_merged(self.group, _nested(sent)))
        arrived = _plain(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]))
        return sent.items() <= arrived.items()

    def _probed(self, sent: dict[str, Any], compose: Callable[[str], DictConfig]) -> DictConfig:
        """What comes of it when an option of these values is chosen."""
        store = ConfigStore.instance()
        store.store(_PROBE, _nested(sent), group=self.group, package=self._package)
        try:
            return compose(f"{self.group}={_PROBE}")
        finally:
            store.repo[self.group].pop(f"{_PROBE}.yaml")


def _read(path: Path) -> tuple[str | None, dict[str, Any]] | None:
    """A file's package and its content; None if it is more than plain values."""
    text = path.read_text() if path.is_file() else ""
    header = re.search(r"^# @package (\S+)$", text, re.M)
    content = yaml.safe_load(text)
    if not isinstance(content, dict) or content.keys() & {"defaults", "hydra"}:
        return None
    return header[1] if header else None, content


def _merged(group: str, content: DictConfig) -> DictConfig:
    """A group's node once its file was merged into what it holds before."""
    node = OmegaConf.structured(RootConfig)._get_node(group)
    merged = OmegaConf.merge(node if isinstance(node, DictConfig) and not node._is_none() else {}, content)
    assert isinstance(merged, DictConfig)
    return merged


def _plain(node: DictConfig) -> dict[str, Any]:
    """The leaves of a node, interpolations as they are written."""
    content = OmegaConf.to_container(node)
    assert isinstance(content, dict)
    return dict(_leaves(content))


def _nested(leaves: dict[str, Any]) -> DictConfig:
    node = OmegaConf.create({})
    for key, value in leaves.items():
        OmegaConf.update(node, key, value)
    return node


def _leaves(node: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _strange(value: Any, place: int) -> Any:
    """A value of the same kind that no file has."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return type(value)(9_000_001 + place)
    return f"{_PROBE}_{place}"
