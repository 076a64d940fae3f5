"""Plain values as YAML, by libyaml where it is there: hundreds of configs are read and shown at once."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["from_yaml", "to_yaml"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def from_yaml(text: str) -> Any:
    """The plain values that a text stands for.

    Raises:
        yaml.YAMLError: It is no YAML, or asks for anything but plain values.
    """
    return yaml.load(text, Loader=_LOADER)


def to_yaml(value: Any) -> str:
    """The text of plain values, keys in their order."""
    text: str = yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return text
