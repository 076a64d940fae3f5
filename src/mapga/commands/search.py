"""A search for settings: what Hydra's sweeper is told beside the overrides, so that it can be stopped and gone on with.

Of one seed and the same values a sampler draws the same trials. A search that is started again therefore repeats itself
to where it stopped: finished trials answer at once, one that was cut off is gone on with, and the rest is drawn as if
nothing had happened. Nothing has to be kept for that but the runs themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapga.config.compose import spec_of
from mapga.config.sweep import Sweep
from mapga.errors import ConfigError

__all__ = ["told"]

_DIRECTION = "hydra.sweeper.direction"


def told(whole: Sweep, overrides: Sequence[str]) -> list[str]:
    """Overrides that make a search of a sweep: which way its metric is better, and a seed if none is set: the run's.

    Args:
        whole: The sweep.
        overrides: As typed.

    Raises:
        ConfigError: There is no objective, or the direction that was typed is not its own.
    """
    spec, sweeper = spec_of(whole.cfg), whole.cfg.hydra.sweeper
    if spec.objective is None:
        raise ConfigError("a sweeper that searches needs objective=..., one of the run's metrics")
    metric: Any = spec.metrics[spec.objective].build()
    better = "minimize" if metric.lower_is_better else "maximize"
    for text in overrides:
        key, _, value = text.partition("=")
        if key == _DIRECTION and value != better:
            raise ConfigError(f"{text}: {spec.objective} is a metric to {better}; drop it, the metric knows")
    sampler = sweeper.get("sampler") or {}
    seed = [f"hydra.sweeper.sampler.seed={spec.seed}"] if sampler.get("seed", spec.seed) is None else []
    return [f"{_DIRECTION}={better}", *seed]
