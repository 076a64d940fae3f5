"""What makes two runs the same: the digest of what their results depend on. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from mapga.node import DATASET, OPERATOR, PACKAGE, PRIOR, SCHEDULE, SOLVER, Node, Slot

__all__ = ["PROBLEM", "SCIENCE", "digest", "science", "stated"]

# Whatever changes a restored pixel, and whether it is a trial's. Not: metrics (how it is scored is recorded with the
# numbers), device, batch size, shard, tracker, launcher, folders.
SCIENCE = (
    *("dataset", "task", "prior", "solver", "schedule"),
    *("seed", "samples", "start", "dtype", "compute", "rounding", "objective"),
)
PROBLEM = ("dataset", "task", "seed", "samples")  # what truth and measurements depend on


def digest(value: Any) -> str:
    """Twelve hex digits of the SHA-256 of a plain value's canonical JSON; 80 and 80.0 are the same number."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def science(config: Mapping[str, Any], keys: tuple[str, ...], node: Callable[[Slot], Node]) -> dict[str, Any]:
    """The part of a run's config that some results depend on: values of keys, and of a component what its card says."""
    part = {key: config[key] for key in keys if config.get(key) is not None}  # null means absence
    if part.get("compute") != "fast":  # which alone changes more than the last bits
        part.pop("compute", None)
    if part.get("samples") == 1:  # as it was before there was a choice
        part.pop("samples")
    for slot in (DATASET, PRIOR, SOLVER, SCHEDULE):
        if slot.key in part:
            part[slot.key] = node(slot).science
    if "task" in part:
        part["task"] = {**part["task"], "operator": node(OPERATOR).science}
    return part


def stated(node: Node, value: Mapping[str, Any]) -> dict[str, Any]:
    """A component's value with the hashes of its files and the package that declares it, and so for its own parts."""
    parts = {key: stated(part, value[key]) for key, part in node.arguments.items() if isinstance(part, Node)}
    hashes = {} if node.card.pin is None else node.card.pin(node.namespace)
    return {**value, **parts, **hashes, **({PACKAGE: node.declared.origin} if node.declared else {})}


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
