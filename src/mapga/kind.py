"""The kinds of a constructor's arguments, and the values of a config as these kinds."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mapga.errors import ConfigError

__all__ = ["as_kind", "kinds_of", "parameters_of", "takes_text"]


@cache
def parameters_of(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The arguments of a constructor."""
    return inspect.signature(make).parameters


@cache
def kinds_of(make: Callable[..., Any]) -> dict[str, Any]:
    """The kind of each argument; ``Any`` where its name is known to type checkers alone, as that of a tensor is."""
    function = inspect.unwrap(make.__init__ if isinstance(make, type) else make)  # type: ignore[misc]
    annotations = getattr(function, "__annotations__", {})
    found: dict[str, Any] = dict.fromkeys(parameters_of(make), Any)
    for name in annotations.keys() & found.keys():
        one = SimpleNamespace(__annotations__={name: annotations[name]})
        try:
            found[name] = get_type_hints(one, globalns=getattr(function, "__globals__", {}))[name]
        except NameError:
            continue
    return found


def takes_text(kind: Any) -> bool:
    """Whether a path could stand there: anything but numbers, truths and words of a list, alone or several."""
    if get_origin(kind) is Literal or kind in (bool, int, float, type(None), Ellipsis):
        return False
    if get_origin(kind) in (Union, types.UnionType, list, tuple, Sequence):
        return any(map(takes_text, get_args(kind)))
    return True


def as_kind(key: str, value: Any, kind: Any) -> Any:
    """``value`` as the annotated kind; numbers written as text are numbers.

    Raises:
        ConfigError: Naming the key, the value and the kind wanted.
    """
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Literal:
        if value in args:
            return value
        raise ConfigError(f"{key}={value!r}: choose one of {', '.join(map(repr, args))}")
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        rest = [option for option in args if option is not type(None)]
        for option in rest[:-1]:
            try:
                return as_kind(key, value, option)
            except ConfigError:
                continue
        return as_kind(key, value, rest[-1])
    if origin in (list, tuple, Sequence):
        if isinstance(value, list | tuple):
            return [as_kind(f"{key}[{k}]", item, args[0]) for k, item in enumerate(value)]
        raise ConfigError(f"{key}={value!r}: a list is wanted, such as [1, 2]")
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        try:
            if isinstance(value, int | str) or kind is float:
                return kind(value)
        except (TypeError, ValueError):
            pass
    if kind is str and isinstance(value, str):
        return value
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(kind, str(kind))
    raise ConfigError(f"{key}={value!r}: {wanted} is wanted")
