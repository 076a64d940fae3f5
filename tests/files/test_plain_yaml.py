"""Plain values come back as they were, whichever library writes them, and nothing but plain values is read."""

from __future__ import annotations

import pytest
import yaml

from mapga.files.plain_yaml import from_yaml, to_yaml

VALUES = {"b": [1, 2.5, None, True], "a": {"path": "é: x", "text": "1e-3", "rate": 1e-07, "long": "w " * 200}}


def test_values_come_back_with_their_kinds_and_their_order():
    found = from_yaml(to_yaml(VALUES))
    assert found == VALUES and list(found) == ["b", "a"] and found["a"]["rate"].__class__ is float
    assert from_yaml(yaml.safe_dump(VALUES, sort_keys=False)) == VALUES


def test_nothing_else_is_read():
    with pytest.raises(yaml.YAMLError):
        from_yaml("!!python/object/apply:os.getcwd []")
