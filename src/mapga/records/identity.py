"""Which run is it? A hash of the scientific part of its config: same science, same folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["digest", "problem_science", "run_identity", "run_science"]

# Whatever changes a restored pixel or a number. Not: device, batch size, shard, tracker, launcher, folders.
_SCIENCE = (
    "dataset",
    "task",
    "prior",
    "solver",
    "schedule",
    "metrics",
    "seed",
    "start",
    "dtype",
    "rounding",
    "objective",
)
_PROBLEM = ("dataset", "task", "seed")
# Per component: where its files lie on this machine (their hashes stay), and what changes speed only.
_PLACES = {
    "dataset": ("root", "list", "source"),
    "prior": ("denoiser_source", "consistency_source", "channels_last", "compile"),
}


def digest(value: Any) -> str:
    """Twelve hex digits of the SHA-256 of a plain value's canonical JSON; 80 and 80.0 are the same number."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_science(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that a run's results depend on."""
    return _part(config, _SCIENCE)


def problem_science(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part that a run's truth and measurements depend on; runs of all solvers share it."""
    return _part(config, _PROBLEM)


def run_identity(config: Mapping[str, Any]) -> str:
    """The run's hash, whatever the order of its keys."""
    return digest(run_science(config))


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _part(config: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    part = {key: config[key] for key in keys if config.get(key) is not None}  # null is what a key's absence means
    for name, places in _PLACES.items():
        if isinstance(part.get(name), Mapping):
            part[name] = {key: value for key, value in part[name].items() if key not in places}
    prior = part.get("prior")
    if isinstance(prior, Mapping) and str(prior.get("_target_")).endswith(".from_files"):  # paths, if hashes are stated
        part["prior"] = {key: value for key, value in prior.items() if prior.get(f"{key}_sha256") is None}
    if isinstance(part.get("metrics"), Mapping):
        part["metrics"] = {name: _without_place(metric) for name, metric in part["metrics"].items()}
    return part


def _without_place(metric: Any) -> Any:
    """A metric's node without where its weights lie; their hash stays."""
    return {key: value for key, value in metric.items() if key != "weights"} if isinstance(metric, Mapping) else metric
