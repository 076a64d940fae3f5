"""Cards: what the suite asks of a component, written beside its class and read without torch.

A component is a class in one of the rooms (datasets, operators, priors, solvers, metrics). Its card is its class
attribute ``card``; a named constructor that a config may call has one of its own::

    class Ours(Prior):
        card = PriorCard(words=("name",))

        @classmethod
        @carded(PriorCard(given=("images",)))
        def from_images(cls, images, std): ...

Functions on a card take the component's arguments ``a``, with ``a.name`` the value of a node or its default; a
component itself is such a thing too, where its attributes have the names of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from mapga.files.need import Need

__all__ = [
    "Card",
    "DatasetCard",
    "MetricCard",
    "Needs",
    "OperatorCard",
    "PriorCard",
    "SolverCard",
    "StepCard",
    "carded",
]

_Made = TypeVar("_Made", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is asked of every component.

    An argument that takes any text is on the card: as a place, a hash or a word. What is on no list is science.

    Attributes:
        places: Arguments that say where something lies on this machine: never part of a run's identity.
        pinned: Arguments that name a file, each with the argument that holds its SHA-256: as soon as that is known,
            it stands in the identity and the path does not.
        pin: The arguments that hold hashes, as the files found here have them (None where there is none yet).
        speed_only: Arguments that change how fast, and nothing else.
        words: Arguments that take text and are science: names, not places.
        absent: Arguments that came when runs were recorded already: null is as if they were not there, for the id too.
        given: Arguments that the suite hands over, and no config sets.
        parts: Arguments that are components themselves, each with the place in a config that takes its kind.
        files: What the component needs from elsewhere, here or not.
    """

    places: tuple[str, ...] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)
    pin: Callable[[Any], Mapping[str, str | None]] | None = None
    speed_only: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    files: Callable[[Any], Sequence[Need]] = lambda a: ()

    def science(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a node that belongs to a run's identity."""
        known = {path for path, digest in self.pinned.items() if node.get(digest) is not None}
        known |= {key for key in self.absent if node.get(key) is None}
        return {key: value for key, value in node.items() if key not in {*self.places, *self.speed_only, *known}}


@dataclass(frozen=True, kw_only=True)
class DatasetCard(Card):
    """What is asked of a dataset besides.

    Attributes:
        choosing: Arguments that choose rows; of two datasets that differ in nothing else the images may overlap.
        count: How many images the arguments choose; None where only the data can tell.
    """

    choosing: tuple[str, ...] = ()
    count: Callable[[Any], int | None] = lambda a: None


@dataclass(frozen=True, kw_only=True)
class OperatorCard(Card):
    """Nothing more is asked of an operator: its class says whether it is linear, or has an SVD."""

    given: tuple[str, ...] = ("image_shape",)


@dataclass(frozen=True, kw_only=True)
class PriorCard(Card):
    """Nothing more is asked of a prior. One that is ``given`` ``images`` is fitted on the dataset's training images."""


@dataclass(frozen=True)
class Needs:
    """What a solver cannot do without.

    Attributes:
        operator: The rung that the operator must be on.
        denoiser, consistency: Whether it asks the prior for D, for C.
        vjp: Whether it takes vector-Jacobian products of them.
        noise: What measurement noise it serves.
        levels: How many noise levels it asks its schedule for; 0 for none.
    """

    operator: Literal["any", "linear", "spectral"] = "linear"
    denoiser: bool = False
    consistency: bool = False
    vjp: bool = False
    noise: Literal["any", "some", "none"] = "any"
    levels: int = 0


@dataclass(frozen=True, kw_only=True)
class SolverCard(Card):
    """What is asked of a solver besides.

    Attributes:
        passes: Forward passes plus vector-Jacobian products per image, of its arguments and its schedule's steps.
        needs: What it cannot do without, of the same.
        remark: What a reader must know who sees it in one table with others; "" for nothing.
        ours: Whether it is by those who made the table, which then marks it.
    """

    passes: Callable[[Any, int], int] | None = None
    needs: Callable[[Any, int], Needs] | None = None
    remark: str = ""
    ours: bool = False
    given: tuple[str, ...] = ("schedule",)


@dataclass(frozen=True, kw_only=True)
class StepCard(Card):
    """What is asked of a step, how MAP-GA moves z at a level, besides.

    Attributes:
        passes: Network passes per image and level, of its arguments and the number of its steps.
        vjp: Whether it takes vector-Jacobian products.
    """

    passes: Callable[[Any, int], int]
    vjp: bool = True


@dataclass(frozen=True, kw_only=True)
class MetricCard(Card):
    """What is asked of a metric besides.

    Attributes:
        digits: Decimals that a reader needs.
        order: Its place among the columns of a table, smallest first; those of one place stand by name.
        check: It says whether an answer is sound, not how good it is: nothing is ranked by it.
        ordered: Less, or more, of it is better; false where a value is aimed at, so that no method is called the best.
        floor: What a faultless answer's number is called, where that is neither rounding nor real images.
        unit: Of its numbers; "" where they have none.
        titles: What people call it, by its name: settings make other names.
    """

    digits: int = 4
    order: int = 100
    check: bool = False
    ordered: bool = True
    floor: str = ""
    unit: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, column: str) -> str:
        """What people call a column of its numbers, with its unit; the column's own name where nobody said."""
        name, space, rest = column.partition(" ")
        return self.titles.get(name, name) + space + rest + (f" ({self.unit})" if self.unit else "")


def carded(card: Card) -> Callable[[_Made], _Made]:
    """Put a card on a named constructor; stands below ``@classmethod``."""

    def put(constructor: _Made) -> _Made:
        constructor.card = card  # type: ignore[attr-defined]
        return constructor

    return put
