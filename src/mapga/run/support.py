"""Which solvers can serve which tasks."""

from __future__ import annotations

from contextlib import suppress

from mapga.config.compose import of_group
from mapga.config.files import options
from mapga.config.groups import brought, usual
from mapga.datasets.base import Dataset
from mapga.errors import ConfigError
from mapga.node import OPERATOR, SCHEDULE, SOLVER, Node
from mapga.operators.base import Operator
from mapga.priors.base import Prior
from mapga.solvers.base import Solver
from mapga.spec import RunSpec

__all__ = ["solvers_of", "support_matrix"]

_SOME_NOISE = 0.05  # a usual sigma_y, for asking what a solver supports


def support_matrix(
    spec: RunSpec, dataset: Dataset, prior: Prior
) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """For every (solver, task) of conf: why it cannot serve noiseless, and noisy, measurements; None where it can."""
    solvers = solvers_of(spec)
    matrix: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for task in options("task"):
        try:
            node = Node.read(OPERATOR, of_group("task", task, spec).get("operator"))
            operator: Operator = node.build({"image_shape": dataset.image_shape})
        except ConfigError as error:  # none for images of this shape
            matrix |= {(name, task): (f"task={task}: {error}",) * 2 for name in solvers}
            continue
        for name, solver in solvers.items():
            matrix[name, task] = (
                solver.supports(operator, 0.0, prior),
                solver.supports(operator, _SOME_NOISE, prior),
            )
    return matrix


def solvers_of(spec: RunSpec) -> dict[str, Solver]:
    """Every solver that has a file and can be made of it alone, on the schedule that it would have there."""
    found = {}
    for name in options("solver"):
        with suppress(ConfigError):  # one of another package may be broken, or want more: doctor says so
            node = Node.read(SOLVER, of_group("solver", name, spec))
            found[name] = node.build({"schedule": _schedule(name, spec).build()})
    return found


def _schedule(solver: str, spec: RunSpec) -> Node:
    """The run's, unless that is what its own solver brought along."""
    if spec.names["schedule"] != _brought(spec.names["solver"]):
        return spec.node(SCHEDULE)
    return Node.read(SCHEDULE, of_group("schedule", _brought(solver) or usual("schedule"), spec))


def _brought(solver: str) -> str | None:
    return brought("schedule", "solver", solver) if solver in options("solver") else None
