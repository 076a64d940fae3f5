"""``mapga list`` and ``mapga show``: what a config may choose, from cards, docstrings and conf/."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin

from mapga.card import DatasetCard, SolverCard, StepCard
from mapga.config.files import options
from mapga.config.groups import GROUPS, about, group_of, stated_by
from mapga.kind import kinds_of, parameters_of
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Slot, metric, resolved, tracker
from mapga.slot import STEP, card_of

__all__ = ["arguments", "choices", "component", "facts", "nodes"]

_SLOTS = {
    "dataset": DATASET,
    "prior": PRIOR,
    "solver": SOLVER,
    "schedule": SCHEDULE,
    "step": replace(STEP, key="solver.step"),  # where a config has it
}
_STEPS = 20  # of a schedule, by which a solver's passes are told
_RUNGS = ("Operator", "LinearOperator", "SpectralOperator")
_RUNG = {"any": "Operator", "linear": "LinearOperator", "spectral": "SpectralOperator"}


def choices(word: str | None) -> Iterator[str]:
    """A line a choice of a group; without one a line a group.

    Raises:
        ConfigError: There is no such group.
    """
    if word is None:
        width = max(map(len, GROUPS))
        yield from (f"{group:<{width}}  {' '.join(options(group))}" for group in GROUPS)
        return
    group = group_of(word)
    width = max(map(len, options(group)))
    yield from (f"{name:<{width}}  {about(group, name)}" for name in options(group))


def component(override: str) -> Iterator[str]:
    """What ``solver=pgdm`` is: source, equations, arguments with their values, what it costs and what it serves.

    Raises:
        ConfigError: There is no such group, or no such choice.
    """
    word, _, name = override.partition("=")
    group = group_of(word)
    stated = stated_by(group, name)
    yield f"{group}={name}: {about(group, name)}"
    for slot, node in nodes(group, stated):
        yield from _of_class(slot, node)


def nodes(group: str, stated: Mapping[str, Any]) -> Iterator[tuple[Slot, Mapping[str, Any]]]:
    """The components that a file of a group states."""
    if group in _SLOTS:
        yield _SLOTS[group], stated
    elif group == "task":
        yield OPERATOR, stated["operator"]
    elif group in ("metrics", "tracker"):
        place = metric if group == "metrics" else tracker
        nodes = {key: node for key, node in stated.items() if isinstance(node, Mapping) and "_target_" in node}
        yield from ((place(key), node) for key, node in nodes.items())


def _of_class(slot: Slot, node: Mapping[str, Any]) -> Iterator[str]:
    make, _ = resolved(slot, node)
    module = inspect.getmodule(make)
    yield ""
    yield f"{node['_target_']}  ({inspect.getsourcefile(make)})"
    if module is not None and "Source:" in (module.__doc__ or ""):
        yield from ["", *inspect.cleandoc(module.__doc__ or "").splitlines()]
    yield from ["", *(inspect.getdoc(make) or "").splitlines()]
    if own := list(arguments(slot, node)):
        yield from ["", "In a config (value in its file, else the default):"]
        width = max(len(key) for key, _, _ in own)
        yield from (f"  {key:<{width}}  {value:<14}  {kind}" for key, value, kind in own)
    if told := list(facts(slot, node)):
        yield from ["", *(f"{what}: {fact}" for what, fact in told)]
    if slot == SOLVER:
        yield "mapga doctor tries it, with your dataset and prior"


def arguments(slot: Slot, node: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a config may set of a component: key, the value in its file, else the default, and kind."""
    make, _ = resolved(slot, node)
    kinds = kinds_of(make)
    for key, one in parameters_of(make).items():
        if key not in card_of(make).given:
            value = node.get(key, "to be given" if one.default is inspect.Parameter.empty else one.default)
            yield f"{slot.key}.{key}", _word(value), _kind(kinds[key])


def facts(slot: Slot, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a component's card says of it, each with the words for what it is."""
    make, _ = resolved(slot, node)
    card = card_of(make)
    if isinstance(card, SolverCard):
        yield from _of_solver(make, card, node)
    if isinstance(card, StepCard):
        yield "costs", f"{card.passes(_takes(make, node), 1)} network passes per image and level with num_iter=1"
        yield "asks the prior for", "gradients" if card.vjp else "no gradients"
    if isinstance(card, DatasetCard) and card.choosing:
        yield "rows are chosen by", ", ".join(card.choosing)


def _of_solver(make: Callable[..., Any], card: SolverCard, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    takes = _takes(make, node)
    if card.passes is not None:
        yield (
            "costs",
            f"{card.passes(takes, _STEPS)} network passes per image with schedule.steps={_STEPS}"
            + " num_iter=1" * ("num_iter" in node),
        )
    if card.needs is None:
        return
    needs = card.needs(takes, _STEPS)
    asked = [*["a denoiser"] * needs.denoiser, *["a consistency model"] * needs.consistency]
    yield "asks the prior for", (" and ".join(asked) or "nothing") + ", with gradients" * needs.vjp
    noise = {"any": "with and without noise", "some": "with noise alone", "none": "without noise alone"}[needs.noise]
    serves = [task for task in options("task") if _rung(task) >= _RUNGS.index(_RUNG[needs.operator])]
    yield f"serves, {noise}", " ".join(serves) or "no task"


def _takes(make: Callable[..., Any], node: Mapping[str, Any]) -> SimpleNamespace:
    """A component's arguments as the functions on its card take them, with num_iter=1 where a run gives it."""
    defaults = {key: one.default for key, one in parameters_of(make).items()}
    stated = {key: value for key, value in node.items() if not (isinstance(value, str) and "${" in value)}
    return SimpleNamespace(**{"num_iter": 1, **defaults, **stated})


def _rung(task: str) -> int:
    make, _ = resolved(OPERATOR, stated_by("task", task)["operator"])
    names = [one.__name__ for one in getattr(make, "__mro__", ())]
    return max((k for k, rung in enumerate(_RUNGS) if rung in names), default=0)


def _word(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _kind(kind: Any) -> str:
    """An annotation in words: of a list its words, of a class its name."""
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
