"""What of Hydra's own node a config may set: which launcher, which sweeper, where results lie; nothing that runs code.

Hydra makes the objects that its node names before our own allowlist is asked. So what has been composed is looked at
first, wherever it came from: the command line, an experiment, a folder of ``hydra.searchpath``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mapga.errors import ConfigError
from mapga.files.address import refuse_password

__all__ = ["check_hydra"]

_OBJECTS = {
    "launcher": (
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_aws_launcher.RayAWSLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    ),
    "sweeper": (
        "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
        "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    ),
    "sweeper.sampler": tuple(
        f"optuna.samplers.{name}" for name in ("CmaEsSampler", "GridSampler", "RandomSampler", "TPESampler")
    ),
}
_NO_LOGGING = {"version": 1, "root": None, "disable_existing_loggers": False}
_AS_IT_IS: dict[str, Any] = {  # what a key is where nobody has set it
    "callbacks": {},
    "env": {},
    "hydra_logging": _NO_LOGGING,
    "job_logging": _NO_LOGGING,
    "job.env_copy": [],
    "job.env_set": {},
    "sweeper.custom_search_space": None,
    "sweeper.storage": None,
}


def check_hydra(node: DictConfig) -> None:
    """Refuse a composed ``hydra`` node that names an object which is not on the list, sets what we do not use, or
    holds a password: Hydra writes it down.

    Raises:
        ConfigError: Naming the key.
    """
    for key, usual in _AS_IT_IS.items():
        found = OmegaConf.select(node, key)
        plain = OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
        if plain != usual:
            raise ConfigError(f"hydra.{key} cannot be set here: it could run code, or write elsewhere; drop it")
    plain_node = OmegaConf.to_container(node)
    refuse_password(plain_node, "hydra")
    for path, target in _targets(plain_node):
        allowed = _OBJECTS.get(path, ())
        if target not in allowed:
            may = f"choose one of {', '.join(allowed)}" if allowed else "nothing is made there; drop it"
            raise ConfigError(f"hydra.{path}._target_={target!r} is not on the list; {may}")


def _targets(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every object that a node names, by its path."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                yield path.removeprefix("."), str(value)
            yield from _targets(value, f"{path}.{key}")
    if isinstance(node, list):
        for k, value in enumerate(node):
            yield from _targets(value, f"{path}.{k}")
