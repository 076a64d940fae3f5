"""The places of a config that take a component each, and the classes that may stand there: the allowlist.

They are the classes that a room of ours exports, and those that installed packages declare for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from mapga import plugins
from mapga.card import Card, DatasetCard, MetricCard, OperatorCard, PriorCard, SolverCard, StepCard
from mapga.catalogue import exported, kinds
from mapga.errors import ConfigError
from mapga.kind import kinds_of, parameters_of, takes_text
from mapga.plugins import Declared

__all__ = [
    "DATASET",
    "OPERATOR",
    "PRIOR",
    "SCHEDULE",
    "SOLVER",
    "STEP",
    "Slot",
    "card_of",
    "incomplete",
    "metric",
    "part_of",
    "tracker",
]


@dataclass(frozen=True)
class Slot:
    """A place in the config that takes one kind of component.

    Attributes:
        key: Its dotted path in the config, for messages.
        package: The room whose classes may stand there.
        base: Name of the class in that room they must derive from.
        card: The kind of card they have.
    """

    key: str
    package: str
    base: str
    card: type[Card] = Card

    def choices(self) -> dict[str, type]:
        """Our own classes by name."""
        return kinds(self.package, self.base)

    def declared(self, name: str) -> Declared | None:
        """The entry point that declares a class of another package by this name; None if there is none.

        Raises:
            ConfigError: It collides with one of ours, or with another.
        """
        return plugins.component(self.package, name, self.choices())

    def foreign(self, declared: Declared) -> type:
        """The class that an entry point names; its module is imported.

        Raises:
            ConfigError: It cannot be imported, is no such component, or has no card.
        """
        found, base = declared.load(), exported(self.package)[self.base]
        remedy = f"mend the package, or pip uninstall {declared.package}"
        if not isinstance(found, type) or not issubclass(found, base):
            raise ConfigError(f"{declared} is no {self.base}: {declared.value} does not derive from it; {remedy}")
        if inspect.isabstract(found):
            lacking = sorted(found.__abstractmethods__)  # type: ignore[attr-defined]
            raise ConfigError(f"{declared} lacks {', '.join(lacking)}; {remedy}")
        if not isinstance(card_of(found), self.card):
            raise ConfigError(f"{declared} has no {self.card.__name__} of its own as 'card'; {remedy}")
        if flaws := incomplete(found):
            raise ConfigError(f"{declared}: {flaws[0]}; {remedy}")
        return found


DATASET = Slot("dataset", "mapga.datasets", "Dataset", DatasetCard)
OPERATOR = Slot("task.operator", "mapga.operators", "Operator", OperatorCard)
PRIOR = Slot("prior", "mapga.priors", "Prior", PriorCard)
SOLVER = Slot("solver", "mapga.solvers", "Solver", SolverCard)
SCHEDULE = Slot("schedule", "mapga.schedules", "Schedule")
STEP = Slot("step", "mapga.solvers.ascents", "Step", StepCard)


_SLOTS = {slot.key: slot for slot in (DATASET, OPERATOR, PRIOR, SOLVER, SCHEDULE, STEP)}


def metric(name: str) -> Slot:
    """The place of the metric that a config calls ``name``."""
    return Slot(f"metrics.{name}", "mapga.metrics", "Metric", MetricCard)


def tracker(name: str) -> Slot:
    """The place of the tracker that a config calls ``name``."""
    return Slot(f"tracker.{name}", "mapga.tracking", "Tracker")


def part_of(slot: Slot, name: str, key: str) -> Slot:
    """The place of a component that is an argument of another."""
    return replace(_SLOTS[key], key=f"{slot.key}.{name}")


@cache
def incomplete(make: Callable[..., Any]) -> list[str]:
    """What a component's card lacks, a line each; [] if it is complete."""
    name = make.__qualname__
    card = card_of(make)
    if card is None:
        return [f"{name} has no card of its own"]
    parameters = list(parameters_of(make))
    named = [*card.places, *card.pinned, *card.pinned.values(), *card.speed_only, *card.words, *card.given]
    named += [*card.parts, *card.absent]
    named += getattr(card, "choosing", ())
    flaws = [f"the card of {name} speaks of {key!r}, which it does not take" for key in named if key not in parameters]
    texts = [key for key, kind in kinds_of(make).items() if takes_text(kind) and key not in named]
    flaws += [f"the card of {name} does not say whether {key!r} is a place, a hash or a word" for key in texts]
    if isinstance(card, SolverCard):
        absent = [part for part in ("passes", "needs") if getattr(card, part) is None]
        flaws += [f"the card of {name} does not state {part!r}" for part in absent]
    return flaws


def card_of(make: Callable[..., Any]) -> Any:
    """A constructor's card, or a class' own: one that is inherited speaks of another class."""
    return vars(make).get("card") if isinstance(make, type) else getattr(make, "card", None)
