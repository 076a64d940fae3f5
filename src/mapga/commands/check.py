"""``mapga check``: what the suite takes for granted of a component, tried on those that overrides name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.files.need import missing
from mapga.node import OPERATOR, SCHEDULE, SOLVER
from mapga.run.assemble import make_dataset, make_prior
from mapga.spec import RunSpec
from mapga.testing import datasets, metrics, operators, priors, solvers

__all__ = ["check"]

_Check = tuple[str, str, Callable[[], None]]

GROUPS = ("solver", "task", "dataset", "prior", "metrics")
_IMAGES = 8  # of the dataset, on which metrics are tried


def check(overrides: Sequence[str], tell: Callable[[str], None]) -> int:
    """Try the components of the groups that overrides name; how many checks failed.

    Args:
        overrides: As for a run: what is named is checked, the rest is what it is checked with.
        tell: Told of each check in one line.

    Raises:
        ConfigError: Overrides that cannot be composed or name nothing to check, or files that are not here.
    """
    named = {text.lstrip("+").partition("=")[0].partition(".")[0] for text in overrides}
    if not (groups := [group for group in GROUPS if group in named]):
        raise ConfigError(f"name what to check: {', '.join(f'{group}=...' for group in GROUPS)}")
    spec = spec_of(compose_run(overrides))
    if groups != ["solver"] and (absent := missing(spec.needs())):
        raise ConfigError(absent)
    total = failed = 0
    for whose, what, run in _checks(spec, groups):
        wrong = _wrong(run)
        tell(f"{whose}: {what}: {'ok' if wrong is None else f'WRONG: {wrong}'}")
        total, failed = total + 1, failed + (wrong is not None)
    tell(f"{total} checks, {failed or 'none'} failed")
    return failed


def _checks(spec: RunSpec, groups: Sequence[str]) -> Iterator[_Check]:
    """Every check as whose, what, and how."""

    def of(group: str, checks: Sequence[Callable[..., None]], *given: Any) -> Iterator[_Check]:
        yield from ((f"{group}={spec.names[group]}", _words(one), partial(one, *given)) for one in checks)

    if "solver" in groups:
        solver = spec.node(SOLVER).build({"schedule": spec.node(SCHEDULE).build()})
        yield from of("solver", solvers.checks(solver), solver)
    if groups == ["solver"]:
        return
    dataset = make_dataset(spec)
    if "task" in groups:
        operator = spec.node(OPERATOR).build({"image_shape": dataset.image_shape})
        yield from of("task", operators.checks(operator), operator)
    if "dataset" in groups:
        yield from of("dataset", datasets.checks(dataset), dataset)
    if "prior" in groups:
        prior = make_prior(spec, dataset).loaded()
        yield from of("prior", priors.checks(prior), prior)
    if "metrics" in groups:
        items = [dataset[position] for position in range(min(_IMAGES, len(dataset)))]
        truth = np.stack([item.image for item in items])
        labels = None if dataset.n_classes is None else np.array([item.label for item in items])
        for name, node in spec.metrics.items():
            metric = node.build()
            metric.check(truth, labelled=labels is not None)
            for one in metrics.checks(metric):
                yield f"metrics.{name}", _words(one), partial(one, metric, truth, labels)


def _words(check: Callable[..., None]) -> str:
    return check.__name__.replace("_", " ")


def _wrong(run: Callable[[], None]) -> str | None:
    """What a check, or whatever the component raises during it, says in one line; None if all is well."""
    try:
        run()
    except AssertionError as error:
        return str(error)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None
