"""From a config node to a component: an allowlist, checked kinds, its card, and errors that name the key.

A component's node holds ``_target_`` and constructor arguments. Only the classes that a room of ours exports, and
those of their named constructors that have a card, can be named there: a config cannot run anything else.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mapga.card import Card, SolverCard
from mapga.catalogue import kinds, unexported
from mapga.errors import ConfigError, closest, told

__all__ = ["DATASET", "OPERATOR", "PRIOR", "SCHEDULE", "SOLVER", "Node", "Slot", "incomplete", "metric", "tracker"]


@dataclass(frozen=True)
class Slot:
    """A place in the config that takes one kind of component.

    Attributes:
        key: Its dotted path in the config, for messages.
        package: The room whose exported classes may stand there.
        base: Name of the class in that room they must derive from.
    """

    key: str
    package: str
    base: str

    def choices(self) -> dict[str, type]:
        """The allowed classes by name."""
        return kinds(self.package, self.base)


DATASET = Slot("dataset", "mapga.datasets", "Dataset")
OPERATOR = Slot("task.operator", "mapga.operators", "Operator")
PRIOR = Slot("prior", "mapga.priors", "Prior")
SOLVER = Slot("solver", "mapga.solvers", "Solver")
SCHEDULE = Slot("schedule", "mapga.schedules", "Schedule")


_SLOTS = {slot.key: slot for slot in (DATASET, OPERATOR, PRIOR, SOLVER, SCHEDULE)}


def metric(name: str) -> Slot:
    """The place of the metric that a config calls ``name``."""
    return Slot(f"metrics.{name}", "mapga.metrics", "Metric")


def tracker(name: str) -> Slot:
    """The place of the tracker that a config calls ``name``."""
    return Slot(f"tracker.{name}", "mapga.tracking", "Tracker")


@dataclass(frozen=True)
class Node:
    """A component as a config states it, checked and not yet made.

    Attributes:
        slot: Where it stands.
        target: What it is called in the config.
        make: The class, or the named constructor.
        card: What it says of itself.
        arguments: Those that the config sets, of the kinds that the constructor wants.
    """

    slot: Slot
    target: str
    make: Callable[..., Any]
    card: Card
    arguments: Mapping[str, Any]

    @classmethod
    def read(cls, slot: Slot, node: object) -> Node:
        """A node with every key and kind checked.

        Raises:
            ConfigError: A target outside the allowlist, an incomplete card, an unknown or missing key, or a value of
                the wrong kind.
        """
        make = _resolve(slot, node)
        assert isinstance(node, Mapping)
        card = _card(make)
        if flaws := incomplete(make):
            raise ConfigError(f"{slot.key}: {flaws[0]}; CONTRIBUTING.md says what a card holds")
        parameters = _parameters(make)
        own = [name for name in parameters if name not in card.given]
        arguments = {str(key): value for key, value in node.items() if key != "_target_"}
        if unknown := [name for name in arguments if name not in own]:
            takes = f"{make.__qualname__} takes {', '.join(own) or 'nothing'}"
            raise ConfigError(f"unknown key '{slot.key}.{unknown[0]}'{closest(unknown[0], own)} {takes}")
        hints = _hints(make)
        checked = {
            name: Node.read(_part(slot, name, card.parts[name]), value)
            if name in card.parts
            else _as_kind(f"{slot.key}.{name}", value, hints[name])
            for name, value in arguments.items()
        }
        if empty := [name for name in card.places if checked.get(name) == ""]:
            raise ConfigError(f"{slot.key}.{empty[0]} is empty; name a file or folder, or leave it out")
        for name in own:
            if parameters[name].default is inspect.Parameter.empty and name not in arguments:
                raise ConfigError(f"missing key '{slot.key}.{name}': {make.__qualname__} needs it")
        return cls(slot, str(node["_target_"]), make, card, checked)

    @property
    def science(self) -> dict[str, Any]:
        """The part of it that belongs to a run's identity, whatever way its values were written."""
        plain = {key: value.science if isinstance(value, Node) else value for key, value in self.arguments.items()}
        return self.card.science({"_target_": self.target, **plain})

    @property
    def namespace(self) -> SimpleNamespace:
        """Its arguments with defaults filled in, as the functions on a card take them."""
        return SimpleNamespace(**{**self.defaults, **self.arguments})

    @property
    def defaults(self) -> dict[str, Any]:
        """The arguments that may be left out, with what they are then."""
        parameters = _parameters(self.make).values()
        return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}

    def build(self, given: Mapping[str, Any] | None = None) -> Any:
        """The component, handed those of the ``given`` arguments that its card asks for, and its parts made.

        Raises:
            ConfigError: The constructor refuses a value, or a part is not made.
        """
        taken = {name: value for name, value in (given or {}).items() if name in {*self.card.given, *self.card.parts}}
        if unmade := [
            name for name in self.card.parts if name not in taken and isinstance(self.arguments.get(name), Node)
        ]:
            raise ConfigError(
                f"{self.slot.key}.{unmade[0]}: {self.make.__qualname__} is made of other components, which runs alone "
                "put together; in Python give it those that you have"
            )
        try:
            return self.make(**{**self.arguments, **taken})
        except ConfigError:
            raise
        except (ValueError, TypeError, OSError) as error:
            text = told(error) or str(error)
            named = text.startswith(f"{self.slot.key}.")
            raise ConfigError(text if named else f"{self.slot.key}: {text}") from error


@cache
def incomplete(make: Callable[..., Any]) -> list[str]:
    """What a component's card lacks, a line each; [] if it is complete."""
    name = make.__qualname__
    card = _card(make)
    if card is None:
        return [f"{name} has no card of its own"]
    parameters = list(_parameters(make))
    named = [*card.places, *card.pinned, *card.pinned.values(), *card.speed_only, *card.words, *card.given]
    named += card.parts
    named += getattr(card, "choosing", ())
    flaws = [f"the card of {name} speaks of {key!r}, which it does not take" for key in named if key not in parameters]
    texts = [key for key, kind in _hints(make).items() if _takes_text(kind) and key not in named]
    flaws += [f"the card of {name} does not say whether {key!r} is a place, a hash or a word" for key in texts]
    if isinstance(card, SolverCard):
        absent = [part for part in ("passes", "needs") if getattr(card, part) is None]
        flaws += [f"the card of {name} does not state {part!r}" for part in absent]
    return flaws


def _part(slot: Slot, name: str, key: str) -> Slot:
    """The place of a component that is an argument of another."""
    return replace(_SLOTS[key], key=f"{slot.key}.{name}")


@cache
def _parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(make).parameters


def _card(make: Callable[..., Any]) -> Any:
    """A constructor's card, or a class' own: one that is inherited speaks of another class."""
    return vars(make).get("card") if isinstance(make, type) else getattr(make, "card", None)


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
        if module := unexported(slot.package, name):
            raise ConfigError(f"{slot.key}._target_={target!r}: {module} does not export it; name it in its __all__")
        raise ConfigError(f"{slot.key}._target_={target!r} is not one of ours{closest(name, list(choices))} {allowed}")
    if not constructor:
        return choices[name]
    made = inspect.getattr_static(choices[name], constructor, None)
    if not isinstance(made, classmethod) or not isinstance(getattr(made.__func__, "card", None), Card):
        raise ConfigError(f"{slot.key}._target_={target!r}: {name} has no constructor {constructor!r}")
    return getattr(choices[name], constructor)


@cache
def _hints(make: Callable[..., Any]) -> dict[str, Any]:
    """The kind of each argument; ``Any`` where its name is known to type checkers alone, as that of a tensor is."""
    function = make.__init__ if isinstance(make, type) else make  # type: ignore[misc]
    annotations = getattr(function, "__annotations__", {})
    found: dict[str, Any] = dict.fromkeys(_parameters(make), Any)
    for name in annotations.keys() & found.keys():
        one = SimpleNamespace(__annotations__={name: annotations[name]})
        try:
            found[name] = get_type_hints(one, globalns=getattr(function, "__globals__", {}))[name]
        except NameError:
            continue
    return found


def _takes_text(kind: Any) -> bool:
    """Whether a path could stand there: anything but numbers, truths and words of a list, alone or several."""
    if get_origin(kind) is Literal or kind in (bool, int, float, type(None), Ellipsis):
        return False
    if get_origin(kind) in (Union, types.UnionType, list, tuple, Sequence):
        return any(map(_takes_text, get_args(kind)))
    return True


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
