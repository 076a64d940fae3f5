"""From a config node to a component: an allowlist, checked kinds, its card, and errors that name the key.

A component's node holds ``_target_`` and constructor arguments. Only the classes that a room of ours exports or that
installed packages declare for it, and those of their named constructors that have a card, can be named there: a config
cannot run anything else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from mapga import plugins
from mapga.card import Card
from mapga.catalogue import unexported
from mapga.errors import ConfigError, closest, told
from mapga.kind import as_kind, kinds_of, parameters_of
from mapga.plugins import Declared
from mapga.slot import (
    DATASET,
    OPERATOR,
    PRIOR,
    SCHEDULE,
    SOLVER,
    Slot,
    card_of,
    incomplete,
    metric,
    part_of,
    tracker,
)

__all__ = [
    "DATASET",
    "OPERATOR",
    "PACKAGE",
    "PRIOR",
    "SCHEDULE",
    "SOLVER",
    "TITLE",
    "Node",
    "Slot",
    "incomplete",
    "metric",
    "resolved",
    "tracker",
]

PACKAGE = "_package_"  # in the node of a component of another package: its name and version
TITLE = "title"  # in any node: what people call the component, on tables and figures; no argument, no part of an id


@dataclass(frozen=True)
class Node:
    """A component as a config states it, checked and not yet made.

    Attributes:
        slot: Where it stands.
        target: What it is called in the config.
        make: The class, or the named constructor.
        card: What it says of itself.
        arguments: Those that the config sets, of the kinds that the constructor wants.
        declared: By which entry point it is known; None for what is ours.
        package: Of which package and version the config says that it is; "" where it does not.
    """

    slot: Slot
    target: str
    make: Callable[..., Any]
    card: Card
    arguments: Mapping[str, Any]
    declared: Declared | None = None
    package: str = ""

    @classmethod
    def read(cls, slot: Slot, node: object) -> Node:
        """A node with every key and kind checked.

        Raises:
            ConfigError: A target outside the allowlist, an incomplete card, an unknown or missing key, or a value of
                the wrong kind.
        """
        make, declared = resolved(slot, node)
        assert isinstance(node, Mapping)
        card = card_of(make)
        if flaws := incomplete(make):
            raise ConfigError(f"{slot.key}: {flaws[0]}; CONTRIBUTING.md says what a card holds")
        parameters = parameters_of(make)
        own = [name for name in parameters if name not in card.given]
        apart = ["_target_", *[PACKAGE] * (declared is not None), *[TITLE] * (TITLE not in own)]
        arguments = {str(key): value for key, value in node.items() if key not in apart}
        if unknown := [name for name in arguments if name not in own]:
            takes = f"{make.__qualname__} takes {', '.join(own) or 'nothing'}"
            raise ConfigError(f"unknown key '{slot.key}.{unknown[0]}'{closest(unknown[0], own)} {takes}")
        if TITLE in apart and TITLE in node:
            as_kind(f"{slot.key}.{TITLE}", node[TITLE], str)
        hints = kinds_of(make)
        checked = {
            name: Node.read(part_of(slot, name, card.parts[name]), value)
            if name in card.parts
            else as_kind(f"{slot.key}.{name}", value, hints[name])
            for name, value in arguments.items()
        }
        if empty := [name for name in card.places if checked.get(name) == ""]:
            raise ConfigError(f"{slot.key}.{empty[0]} is empty; name a file or folder, or leave it out")
        for name in own:
            if parameters[name].default is inspect.Parameter.empty and name not in arguments:
                raise ConfigError(f"missing key '{slot.key}.{name}': {make.__qualname__} needs it")
        return cls(slot, str(node["_target_"]), make, card, checked, declared, str(node.get(PACKAGE, "")))

    @property
    def science(self) -> dict[str, Any]:
        """The part of it that belongs to a run's identity, whatever way its values were written."""
        plain = {key: value.science if isinstance(value, Node) else value for key, value in self.arguments.items()}
        package = {PACKAGE: self.package} if self.package else {}
        return {**package, **self.card.science({"_target_": self.target, **plain})}

    @property
    def parts(self) -> list[Node]:
        """The components that it is made of."""
        return [one for one in self.arguments.values() if isinstance(one, Node)]

    @property
    def namespace(self) -> SimpleNamespace:
        """Its arguments with defaults filled in, as the functions on a card take them."""
        return SimpleNamespace(**{**self.defaults, **self.arguments})

    @property
    def defaults(self) -> dict[str, Any]:
        """The arguments that may be left out, with what they are then."""
        parameters = parameters_of(self.make).values()
        return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}

    def build(self, given: Mapping[str, Any] | None = None) -> Any:
        """The component, handed those of the ``given`` arguments that its card asks for, and its parts made.

        Raises:
            ConfigError: The constructor refuses a value, or a part is not made.
        """
        taken = {name: value for name, value in (given or {}).items() if name in {*self.card.given, *self.card.parts}}
        alone = {name: part for name, part in self.arguments.items() if isinstance(part, Node) and not part.card.given}
        if not self.card.parts.keys() - alone.keys() - taken.keys():
            taken |= {name: part.build() for name, part in alone.items() if name not in taken}
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


def resolved(slot: Slot, node: object) -> tuple[Callable[..., Any], Declared | None]:
    """The class, or a named constructor of it, that a node's ``_target_`` names, and its entry point if it has one.

    Raises:
        ConfigError: There is none, or none that is allowed there.
    """
    if not isinstance(node, Mapping):
        raise ConfigError(f"{slot.key}={node!r}: a component with a _target_ is wanted, as in the files of conf/")
    target = node.get("_target_")
    if not isinstance(target, str) or not target.startswith(slot.package + "."):
        raise ConfigError(f"{slot.key}._target_={target!r} is not one of ours; {_allowed(slot)}")
    ours = slot.choices()
    name, _, constructor = target.removeprefix(slot.package + ".").partition(".")
    declared = slot.declared(name)
    if name not in ours and declared is None:
        if module := unexported(slot.package, name):
            raise ConfigError(f"{slot.key}._target_={target!r}: {module} does not export it; name it in its __all__")
        if package := node.get(PACKAGE):
            raise ConfigError(f"{slot.key}._target_={target!r} is of package {package}, which is not installed here")
        raise ConfigError(
            f"{slot.key}._target_={target!r} is not one of ours{closest(name, _names(slot))} {_allowed(slot)}"
        )
    found = slot.foreign(declared) if declared else ours[name]
    if not constructor:
        return found, declared
    made = inspect.getattr_static(found, constructor, None)
    if not isinstance(made, classmethod) or not isinstance(getattr(made.__func__, "card", None), Card):
        raise ConfigError(f"{slot.key}._target_={target!r}: {name} has no constructor {constructor!r}")
    return getattr(found, constructor), declared


def _names(slot: Slot) -> list[str]:
    return [*slot.choices(), *(one.name for one in plugins.declared(slot.package))]


def _allowed(slot: Slot) -> str:
    return f"choose one of {', '.join(f'{slot.package}.{name}' for name in _names(slot))}"
