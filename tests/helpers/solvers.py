"""Every solver of conf, made for a schedule, for tests that run through all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import yaml

from mapga.card import Needs
from mapga.catalogue import kinds
from mapga.node import TITLE
from mapga.solvers.base import Solver

__all__ = ["NEEDS", "SOLVERS", "SOME_NOISE", "arguments_of", "noise_of", "taken"]

SOME_NOISE = 0.2  # sigma_y of a noisy problem
_CONF = Path(__file__).parents[2] / "conf" / "solver"
_SMALL = {"num_iter": 2, "pgdm_steps": 4}


def taken(solver: Callable[..., Solver], arguments: dict[str, int]) -> dict[str, int]:
    """Those of the arguments that a solver has."""
    parameters = inspect.signature(solver).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def _of_conf(path: Path) -> partial[Solver]:
    node = yaml.safe_load(path.read_text().replace("${num_iter}", str(_SMALL["num_iter"])))
    for key in ("defaults", TITLE):  # the schedule that it brings, what people call it
        node.pop(key, None)
    make = kinds("mapga.solvers", "Solver")[node.pop("_target_").rpartition(".")[2]]
    return partial(make, **node | taken(make, _SMALL))


def arguments_of(name: str) -> SimpleNamespace:
    """The arguments of a solver of conf, defaults filled in, as a card's functions read them."""
    bound = inspect.signature(SOLVERS[name]).bind(schedule=None)
    bound.apply_defaults()
    return SimpleNamespace(**bound.arguments)


def noise_of(name: str) -> float:
    """A sigma_y that a solver serves, noisy if it can."""
    return 0.0 if NEEDS[name].noise == "none" else SOME_NOISE


#: By the names in conf: functions of a schedule, and of changed arguments.
SOLVERS: dict[str, partial[Solver]] = {path.stem: _of_conf(path) for path in sorted(_CONF.glob("*.yaml"))}

#: What their cards say they need.
NEEDS: dict[str, Needs] = {name: make.func.card.needs(arguments_of(name), 5) for name, make in SOLVERS.items()}
