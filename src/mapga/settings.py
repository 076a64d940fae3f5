"""The plain values of a run's config, by name. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mapga.errors import ConfigError

__all__ = ["Settings"]

_CHOICES: dict[str, Sequence[str | None]] = {
    "dtype": ["float32", "float64"],
    "compute": ["eager", "auto", "fast"],
    "rounding": ["round", "truncate"],
    "start": [None, "truth"],
}


class Settings:
    """What a run is told besides its components.

    Attributes:
        config: The keys of conf/run.yaml, plain values.
    """

    config: Mapping[str, Any]

    @property
    def sigma_y(self) -> float:
        """Standard deviation of the measurement's noise, in ``sigma_y_unit``."""
        return float(self.config["task"]["sigma_y"])

    @property
    def sigma_y_unit(self) -> str:
        return str(self.config["task"]["sigma_y_unit"])

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @property
    def samples(self) -> int:
        """How often each measurement is restored, with independent noise of the solver."""
        return int(self.config.get("samples", 1))

    @property
    def batch_size(self) -> int:
        return int(self.config["batch_size"])

    @property
    def device(self) -> str:
        return str(self.config["device"])

    @property
    def dtype(self) -> str:
        return str(self.config["dtype"])

    @property
    def compute(self) -> str:
        """How its networks compute: ``eager``, ``auto`` or ``fast``."""
        return str(self.config.get("compute", "eager"))

    @property
    def rounding(self) -> str:
        return str(self.config["rounding"])

    @property
    def shard(self) -> str:
        return str(self.config["shard"])

    @property
    def start(self) -> str | None:
        """``"truth"`` where solvers start from the noised truth, else None."""
        return self.config.get("start")

    @property
    def trace(self) -> bool:
        return bool(self.config.get("trace"))

    @property
    def allow_code_change(self) -> bool:
        """Whether it may go on under other sources than it was begun under."""
        return bool(self.config.get("allow_code_change"))

    @property
    def redo(self) -> bool:
        """Whether it is done again if it is done, or was begun under other sources."""
        return bool(self.config.get("redo"))

    @property
    def objective(self) -> str | None:
        """The metric that a search for settings goes by, if this run is one of its trials."""
        return self.config.get("objective")

    @property
    def steps(self) -> int:
        """Iterations of the schedule."""
        return int(self.config["schedule"]["steps"])

    def _check_values(self, metrics: Iterable[str]) -> None:
        """Refuse what is no choice; an objective is one of the metrics, by name."""
        choices = {**_CHOICES, "objective": [None, *metrics]}
        for key, known in choices.items():
            if (value := self.config[key]) not in known:
                said = " or ".join("null" if one is None else one for one in known)
                raise ConfigError(f"{key}={value!r}: choose {said}")
        if self.samples < 1:
            raise ConfigError(f"samples={self.samples}: each measurement is restored once, samples=1, or several times")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size={self.batch_size}: at least 1 image is solved at a time")
        if self.config.get("runs_per_task", 1) < 1:
            raise ConfigError(f"runs_per_task={self.config['runs_per_task']}: at least 1 run is a task")
        if not self.config["results_dir"]:
            raise ConfigError("results_dir is empty; name a folder, or leave it out for ./results")
