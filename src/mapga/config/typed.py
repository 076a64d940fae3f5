"""What was typed and would do nothing: refused, since whoever types it takes it for done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from mapga.config.axes import values
from mapga.config.compose import compose_run, spec_of
from mapga.config.messages import parsed
from mapga.errors import ConfigError
from mapga.node import SOLVER
from mapga.spec import RunSpec

_OF_SWEEPS = {"hydra/launcher": "a launcher is", "runs_per_task": "tasks of several runs are"}

__all__ = ["one_run", "refuse_ignored"]


def one_run(overrides: Sequence[str]) -> RunSpec:
    """The run that overrides stand for.

    Raises:
        ConfigError: They stand for a sweep, are for sweeps alone, or cannot be composed; or what ``refuse_ignored``
            refuses.
    """
    given = parsed(overrides)
    for one in given:
        if one.is_sweep_override():
            raise ConfigError(f"{one.input_line}: several values are a sweep; add -m (--multirun)")
        if one.key_or_group in _OF_SWEEPS:
            what = _OF_SWEEPS[one.key_or_group]
            raise ConfigError(f"{one.input_line}: {what} for sweeps; add -m (--multirun), or drop it")
    cfg = compose_run(overrides)
    params: Any = OmegaConf.to_container(cfg.hydra.sweeper.params or OmegaConf.create({}))
    named = {one.get_key_element() for one in given}
    swept = {key: values(parsed([f"{key}={value}"])[0]) for key, value in params.items() if key not in named}
    if any(len(axis) > 1 for axis in swept.values()):
        experiment = cfg.hydra.runtime.choices.experiment
        runs, first = math.prod(map(len, swept.values())), " ".join(axis[0] for axis in swept.values())
        raise ConfigError(
            f"experiment={experiment} is a sweep of {runs} runs: add -m (--multirun), or choose one: {first}"
        )
    spec = spec_of(cfg)
    refuse_ignored(overrides, [spec])
    return spec


def refuse_ignored(overrides: Sequence[str], specs: Sequence[RunSpec], *, tasks: bool = False) -> None:
    """Refuse keys that were typed and that no run reads.

    Args:
        overrides: As typed.
        specs: The runs they stand for; none where nobody knows them, as the trials of a search.
        tasks: Whether the launcher has tasks, of one run or of several.

    Raises:
        ConfigError: Naming the key, and what sets it instead.
    """
    typed = {one.get_key_element(): one.input_line for one in parsed(overrides)}
    if "runs_per_task" in typed and not tasks:
        raise ConfigError(f"{typed['runs_per_task']}: for sweeps with hydra/launcher=slurm that are no search; drop it")
    if not specs:
        return
    if "num_iter" in typed and not any("num_iter" in spec.node(SOLVER).arguments for spec in specs):
        solvers = ", ".join(dict.fromkeys(spec.names["solver"] for spec in specs))
        raise ConfigError(f"{typed['num_iter']}: read by solvers that take gradient steps, not by {solvers}; drop it")
    bought = [spec for spec in specs if spec.steps != int(spec.composed["schedule"]["steps"])]
    if "schedule.steps" in typed and len(bought) == len(specs):
        passes = specs[0].config["passes"]
        raise ConfigError(
            f"{typed['schedule.steps']}: passes={passes} sets it, to {specs[0].steps} here; drop it, or passes=null"
        )
