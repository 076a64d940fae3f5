"""The keys of conf/run.yaml and their kinds. Components are checked against their constructors (``mapga.node``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from mapga.errors import ConfigError, closest

__all__ = ["RootConfig", "TaskConfig", "check_keys"]


@dataclass
class TaskConfig:
    """A degradation: its operator, and the noise of its measurement."""

    operator: Any = None
    sigma_y: float = 0.0
    sigma_y_unit: str = "[-1,1]"


@dataclass
class RootConfig:
    """What a run is made of, and how it is run; conf/run.yaml says what each key is."""

    dataset: Any = None
    task: TaskConfig = field(default_factory=TaskConfig)
    prior: Any = None
    solver: Any = None
    schedule: Any = None
    metrics: Any = None
    tracker: Any = None
    seed: int = 0
    samples: int = 1
    start: str | None = None
    num_iter: int = 1
    passes: int | None = None
    equal_passes: float | None = None
    objective: str | None = None
    batch_size: int = 32
    device: str = "auto"
    dtype: str = "float32"
    compute: str = "eager"
    rounding: str = "round"
    trace: bool = False
    shard: str = "auto"
    results_dir: str = "results"
    runs_per_task: int = 1
    allow_code_change: bool = False
    redo: bool = False


ConfigStore.instance().store(name="root", node=RootConfig)


def check_keys(config: Mapping[Any, Any]) -> None:
    """Whether a composed config has the keys that are read, and no others.

    Raises:
        ConfigError: A key that was added (nobody reads it) or deleted.
    """
    for where, node, known in (("", config, RootConfig), ("task.", config["task"], TaskConfig)):
        fields = list(known.__dataclass_fields__)
        if unknown := [str(key) for key in node if key not in (*fields, "hydra")]:
            raise ConfigError(
                f"unknown key '{where}{unknown[0]}'{closest(unknown[0], fields)} known are {', '.join(fields)}"
            )
        if absent := [name for name in fields if name not in node.keys()]:  # noqa: SIM118 - "in" is false for null
            raise ConfigError(f"missing key '{where}{absent[0]}': do not delete it, override it")
