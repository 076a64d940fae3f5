"""From a config node to an object of ours: an allowlist, checked kinds, and errors that name the key.

A component's node holds ``_target_`` and constructor arguments. Only the classes that a package of ours exports can be
named there, so a config cannot run anything else.
"""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mapga.errors import ConfigError, closest

__all__ = ["Slot", "build", "check"]


@dataclass(frozen=True)
class Slot:
    """A place in the config that takes one kind of component.

    Attributes:
        key: Its dotted path in the config, for messages.
        package: The package of ours whose exported classes may stand there.
        base: Name of the class in that package they must derive from.
    """

    key: str
    package: str
    base: str

    def choices(self) -> dict[str, type]:
        """The allowed classes by name."""
        package = importlib.import_module(self.package)
        base = getattr(package, self.base)
        found = {name: getattr(package, name) for name in package.__all__}
        return {
            name: item
            for name, item in found.items()
            if isinstance(item, type) and issubclass(item, base) and not inspect.isabstract(item)
        }


def check(slot: Slot, node: Mapping[str, Any], given: Sequence[str] = ()) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The constructor and its arguments that a node stands for, with every key and kind checked.

    Args:
        slot: Where the node stands.
        node: ``_target_`` and arguments.
        given: Arguments the suite adds itself (a node may not set them).

    Raises:
        ConfigError: A target outside the allowlist, an unknown or missing key, or a value of the wrong kind.
    """
    make = _resolve(slot, node)
    parameters = inspect.signature(make).parameters
    own = [name for name in parameters if name not in given]
    hints = get_type_hints(make.__init__ if isinstance(make, type) else make)  # type: ignore[misc]
    arguments = {str(key): value for key, value in node.items() if key != "_target_"}
    for name, value in arguments.items():
        if name not in own:
            raise ConfigError(
                f"unknown key '{slot.key}.{name}'{closest(name, own)} {_name(make)} takes {', '.join(own) or 'nothing'}"
            )
        arguments[name] = _as_kind(f"{slot.key}.{name}", value, hints.get(name, Any))
    for name in own:
        if parameters[name].default is inspect.Parameter.empty and name not in arguments:
            raise ConfigError(f"missing key '{slot.key}.{name}': {_name(make)} needs it")
    return make, arguments


def build(slot: Slot, node: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Any:
    """Check a node and construct its object, handing over those of the ``given`` arguments that it takes.

    Raises:
        ConfigError: As ``check``, or the constructor refuses a value.
    """
    make = _resolve(slot, node)
    taken = {name: value for name, value in (given or {}).items() if name in inspect.signature(make).parameters}
    make, arguments = check(slot, node, tuple(taken))
    try:
        return make(**arguments, **taken)
    except ConfigError:
        raise
    except (ValueError, TypeError, OSError) as error:
        text = str(error)
        raise ConfigError(text if text.startswith(f"{slot.key}.") else f"{slot.key}: {text}") from error


def _resolve(slot: Slot, node: object) -> Callable[..., Any]:
    """The class, or a named constructor of it, that a node's ``_target_`` names."""
    if not isinstance(node, Mapping):
        raise ConfigError(f"{slot.key}={node!r}: a component with a _target_ is wanted, as in the files of conf/")
    target = node.get("_target_")
    choices = slot.choices()
    allowed = f"choose one of {', '.join(f'{slot.package}.{name}' for name in choices)}"
    if not isinstance(target, str) or not target.startswith(slot.package + "."):
        raise ConfigError(f"{slot.key}._target_={target!r} is not one of ours; {allowed}")
    name, _, constructor = target.removeprefix(slot.package + ".").partition(".")
    if name not in choices:
        raise ConfigError(f"{slot.key}._target_={target!r} is not one of ours{closest(name, list(choices))} {allowed}")
    if not constructor:
        return choices[name]
    if not isinstance(inspect.getattr_static(choices[name], constructor, None), classmethod):
        raise ConfigError(f"{slot.key}._target_={target!r}: {name} has no constructor {constructor!r}")
    return getattr(choices[name], constructor)


def _name(make: Callable[..., Any]) -> str:
    return make.__qualname__


def _as_kind(key: str, value: Any, kind: Any) -> Any:
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
                return _as_kind(key, value, option)
            except ConfigError:
                continue
        return _as_kind(key, value, rest[-1])
    if origin in (list, tuple, Sequence):
        if isinstance(value, list | tuple):
            return [_as_kind(f"{key}[{k}]", item, args[0]) for k, item in enumerate(value)]
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
